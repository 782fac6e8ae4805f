/** Late results through the room of SQL itself: its types, its parameters, its limits. */
import { expect, test } from "vitest"
import { openQueryRig } from "../../../../../test/rig/query.ts"
import { windowed } from "../../../../../test/rig/windows.ts"
import { lateResults } from "./late-results.ts"

const second = 1_000_000
const start = Date.parse("2025-01-01T00:00:00Z") * 1_000
const select = `count(*) AS n, sum(value) AS total, stddev(value) AS spread, first(value) AS opening, last(text) AS word,
  quantile_disc(value, 0.5) AS middle, arg_max(time, value) AS peak, max(time) AS ended`

// 100 seconds of ten rooms, temperature (a number) and door (a text) once a second, each received 20 ms later.
test("windows of one device, of a property, and of all, with numbers, texts and times as rules have them", async () => {
  await using rig = await openQueryRig()
  const results = async (by: readonly string[] | undefined, device?: string, property?: string) => {
    const rule = windowed("late", { type: "tumbling", size: "10s", select, ...(by === undefined ? {} : { by }) })
    const options = { query: rig.query, rule, node: "gateway-1", epoch: "5f0c6b1d2e3a4958", belowSeq: 2_000 }
    return await lateResults([{ group: { device, property }, startUs: start + 10 * second }], options)
  }
  const [one, ...none] = await results(undefined, "cold-room-3", "temperature")
  expect(none).toEqual([])
  expect(one).toMatchObject({ device: "cold-room-3", property: "temperature", endUs: start + 20 * second, revision: 0 })
  expect(one!.scope).toMatchObject({ n: 10, word: undefined })
  expect(one!.scope.ended).toEqual(new Date((start + 19 * second) / 1_000))
  expect(one!.scope.peak).toBeInstanceOf(Date)
  for (const name of ["total", "spread", "opening", "middle"]) expect(typeof one!.scope[name], name).toBe("number")
  const [both] = await results(["device"], "cold-room-3")
  expect([both!.property, both!.scope.n, typeof both!.scope.word]).toEqual([undefined, 20, "string"])
  const [all] = await results([])
  expect([all!.device, all!.scope.n]).toEqual([undefined, 200])
})

test("a session of all that is less than a gap apart; readings that were not heard yet do not count", async () => {
  await using rig = await openQueryRig()
  const rule = windowed("late", { type: "session", gap: "2s", select: "count(*) AS n" })
  const options = { query: rig.query, rule, node: "gateway-1", epoch: "5f0c6b1d2e3a4958" }
  const late = [{ group: { device: "cold-room-3", property: "temperature" }, startUs: start + 30 * second + 3 }]
  const [whole] = await lateResults(late, { ...options, belowSeq: 2_000 })
  expect(whole).toMatchObject({ startUs: start + 3, endUs: start + 101 * second + 3, revision: 100, scope: { n: 100 } })
  const [part] = await lateResults(late, { ...options, belowSeq: 1_000 })
  expect(part!.scope.n).toBe(50)
})
