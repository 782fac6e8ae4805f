import { FogError } from "@brume/core"
import { expect, test } from "vitest"
import { openDuckDb, WindowsRig, windowed } from "../../../../../test/rig/windows.ts"
import type { WindowSpec } from "./window-spec.ts"

const second = 1_000_000
const connection = await openDuckDb()
const everySecond: WindowSpec = { type: "tumbling", size: "1s", select: "avg(value) AS mean, count(*) AS n" }

const said = (rig: WindowsRig) =>
  rig.told.map(({ device, startUs, revision, scope }) => ({ device, startUs, revision, n: scope.n }))

test("a window closes when the clock passes its end, with what its readings amount to", async () => {
  const rig = await WindowsRig.open(connection)
  rig.windows.set(windowed("mean", everySecond))
  await rig.windows.begin()
  const start = rig.clock.now()
  rig.append([
    { device: "a", property: "t", time: start + 100, value: 1 },
    { device: "a", property: "t", time: start + 900_000, value: 3 },
    { device: "b", property: "t", time: start + 5, value: 7 },
  ])
  await rig.run(999)
  expect(rig.told).toEqual([])
  await rig.run(2)
  expect(rig.told.map(({ scope }) => scope)).toEqual([
    {
      ...{ device: "a", property: "t", revision: 0, mean: 2, n: 2 },
      ...{ window_start: new Date(start / 1_000), window_end: new Date(start / 1_000 + 1_000) },
    },
    {
      ...{ device: "b", property: "t", revision: 0, mean: 7, n: 1 },
      ...{ window_start: new Date(start / 1_000), window_end: new Date(start / 1_000 + 1_000) },
    },
  ])
  expect(rig.windows.status("mean")).toMatchObject({ state: "running", open: 0, told: 2, late: 0 })
  await rig.windows.close()
})

test("what a crash leaves open is rebuilt, what was told is not told again, and what ended meanwhile is told at once", async () => {
  const rig = await WindowsRig.open(connection)
  rig.windows.set(windowed("mean", everySecond))
  await rig.windows.begin()
  const start = rig.clock.now()
  rig.append([{ device: "a", property: "t", time: start, value: 1 }])
  await rig.run(1_500)
  rig.append([{ device: "a", property: "t", time: start + 1.5 * second, value: 1 }])
  await rig.crash()
  await rig.run(10_000)
  rig.windows.set(windowed("mean", everySecond))
  await rig.windows.begin()
  await rig.run(1)
  expect(said(rig)).toEqual([
    { device: "a", startUs: start, revision: 0, n: 1 },
    { device: "a", startUs: start + second, revision: 0, n: 1 },
  ])
  await rig.windows.close()
})

test("more readings than one statement gives are read again too, those that come meanwhile among them", async () => {
  const rig = await WindowsRig.open(connection)
  const rule = windowed("n", { type: "tumbling", size: "10m", by: [], select: "count(*) AS n, sum(value) AS total" })
  rig.windows.set(rule)
  await rig.windows.begin()
  const start = rig.clock.now()
  const part = (from: number) =>
    Array.from({ length: 10_000 }, (_, at) => ({
      device: "a",
      property: "t",
      time: start + from + at,
      value: from + at,
    }))
  for (let from = 0; from < 120_000; from += 10_000) rig.append(part(from))
  await rig.settle()
  await rig.crash()
  rig.windows.set(rule)
  const begun = rig.windows.begin()
  rig.append(part(120_000))
  await new Promise<void>((resolve) => setImmediate(resolve))
  rig.append(part(130_000))
  await begun
  rig.append(part(140_000))
  await rig.run(600_500)
  expect(rig.told.map(({ scope }) => [scope.n, scope.total])).toEqual([[150_000, (149_999 * 150_000) / 2]])
  await rig.windows.close()
})

test("results that the store refuses are told again, once, and in their order", async () => {
  const rig = await WindowsRig.open(connection)
  rig.windows.set(windowed("mean", everySecond))
  await rig.windows.begin()
  const start = rig.clock.now()
  rig.refusal = new FogError("store_full", { message: "The disk is full" })
  rig.append([{ device: "a", property: "t", time: start, value: 1 }])
  await rig.run(1_100)
  rig.append([{ device: "a", property: "t", time: start + 1.05 * second, value: 1 }])
  await rig.run(1_500)
  expect(rig.told).toEqual([])
  rig.refusal = undefined
  await rig.run(1_500)
  expect(said(rig).map(({ startUs }) => startUs - start)).toEqual([0, second])
  await rig.windows.close()
})

test("late readings are dropped and counted", async () => {
  const rig = await WindowsRig.open(connection)
  rig.windows.set(windowed("mean", { ...everySecond, allowedLateness: "500ms" }))
  await rig.windows.begin()
  const start = rig.clock.now()
  await rig.run(1_499)
  rig.append([{ device: "a", property: "t", time: start, value: 1 }])
  await rig.run(1)
  rig.append([{ device: "a", property: "t", time: start, value: 1 }])
  await rig.run(5_000)
  expect(said(rig)).toEqual([{ device: "a", startUs: start, revision: 0, n: 1 }])
  expect(rig.windows.status("mean")).toMatchObject({ late: 1, updated: 0 })
  await rig.windows.close()
})

test("late readings give a window's result again where the rule asks for that, also when the node fell before it did", async () => {
  const rig = await WindowsRig.open(connection)
  const rule = windowed("mean", { ...everySecond, late: "update" })
  rig.windows.set(rule)
  await rig.windows.begin()
  const start = rig.clock.now()
  rig.append([{ device: "a", property: "t", time: start, value: 1 }])
  await rig.run(1_100)
  rig.append([{ device: "a", property: "t", time: start + 2, value: 3 }])
  await rig.run(1_100)
  rig.append([{ device: "a", property: "t", time: start + 3, value: 5 }])
  await rig.crash()
  rig.windows.set(rule)
  await rig.windows.begin()
  await rig.run(1_500)
  expect(said(rig)).toEqual([
    { device: "a", startUs: start, revision: 0, n: 1 },
    { device: "a", startUs: start, revision: 1, n: 2 },
    { device: "a", startUs: start, revision: 2, n: 3 },
  ])
  expect(rig.told.at(-1)!.scope.mean).toBe(3)
  await rig.windows.close()
})

test("a rule that changes only what it does goes on with its windows; one with another window begins anew", async () => {
  const rig = await WindowsRig.open(connection)
  rig.windows.set(windowed("mean", everySecond))
  await rig.windows.begin()
  rig.append([{ device: "a", property: "t", time: rig.clock.now(), value: 1 }])
  rig.windows.set(windowed("mean", { ...everySecond, select: "avg(value) * 2 AS n, count(*) AS other" }))
  await rig.run(1_100)
  expect(said(rig).map(({ n }) => n)).toEqual([2])
  rig.append([{ device: "a", property: "t", time: rig.clock.now(), value: 1 }])
  rig.windows.set(windowed("mean", { ...everySecond, size: "10s" }))
  await expect.poll(() => rig.windows.status("mean")?.state).toBe("running")
  await rig.run(12_000)
  // The ten seconds are read from the store, with what came before the change.
  expect(said(rig).map(({ n }) => n)).toEqual([2, 2])
  await rig.windows.close()
})

test("a deleted rule leaves nothing, in memory and in the log", async () => {
  const rig = await WindowsRig.open(connection)
  rig.windows.set(windowed("mean", everySecond))
  await rig.windows.begin()
  rig.append([{ device: "a", property: "t", time: rig.clock.now(), value: 1 }])
  expect([...rig.store.entries("state")].length).toBe(1)
  rig.windows.delete("mean")
  await rig.run(5_000)
  expect(rig.told).toEqual([])
  expect([...rig.store.entries("state")]).toEqual([])
  expect(rig.windows.status("mean")).toBeUndefined()
  await rig.windows.close()
})

test("a clock that was far ahead and is set back does not silence windows", async () => {
  const rig = await WindowsRig.open(connection)
  rig.windows.set(windowed("mean", everySecond))
  await rig.windows.begin()
  const start = rig.clock.now()
  rig.clock.jump(start + 86_400 * second)
  rig.append([{ device: "a", property: "t", time: rig.clock.now(), value: 1 }])
  await rig.run(1_500)
  rig.clock.jump(start + 10 * second)
  rig.append([{ device: "a", property: "t", time: start + 10 * second, value: 1 }])
  await rig.run(35_000)
  rig.append([{ device: "a", property: "t", time: rig.clock.now(), value: 1 }])
  await rig.run(1_500)
  expect(said(rig).length).toBeGreaterThanOrEqual(2)
  expect(said(rig).at(-1)!.startUs).toBeLessThan(start + 100 * second)
  await rig.windows.close()
})

test("what devices with wild clocks open has a limit, and all bytes come back when the rule goes", async () => {
  const rig = await WindowsRig.open(connection, { bytes: 2 ** 20, groups: 5_000 })
  rig.windows.set(windowed("n", everySecond))
  await rig.windows.begin()
  const start = rig.clock.now()
  // Each in a window of its own, years ahead.
  for (let at = 0; at < 5_000; at++)
    rig.append([{ device: `d${at}`, property: "t", time: start + at * 3_600 * second, value: 1 }])
  await rig.settle()
  const status = rig.windows.status("n")!
  expect(status.overflowed).toBeGreaterThan(1_000)
  expect(status.bytes).toBeLessThanOrEqual(2 ** 20)
  // Those that are due are told all the same.
  await rig.run(1_100)
  expect(said(rig)).toEqual([{ device: "d0", startUs: start, revision: 0, n: 1 }])
  rig.windows.delete("n")
  rig.windows.set(windowed("n", everySecond))
  expect(rig.windows.status("n")).toMatchObject({ bytes: 0, open: 0 })
  await rig.windows.close()
})

test("groups, windows and values have limits; what they keep out is counted and said once", async () => {
  const rig = await WindowsRig.open(connection, { groups: 2, exactValues: 100 })
  rig.windows.set(windowed("p", { ...everySecond, select: "quantile_cont(value, 0.5) AS p, count(*) AS n" }))
  await rig.windows.begin()
  const start = rig.clock.now()
  const readings = Array.from({ length: 1_000 }, (_, at) => ({
    ...{ device: at % 2 === 0 ? "a" : "b", property: "t", time: start + at, value: at + 1 },
  }))
  rig.append(readings)
  rig.append([{ device: "c", property: "t", time: start, value: 1 }])
  await rig.run(1_100)
  expect(rig.told.map(({ device, scope }) => [device, scope.n])).toEqual([
    ["a", 500],
    ["b", 500],
  ])
  for (const { scope } of rig.told) expect(Math.abs(Number(scope.p) - 500)).toBeLessThan(10)
  expect(rig.windows.status("p")).toMatchObject({ overflowed: 1, approximate: 2 })
  // What is idle makes room.
  rig.append([{ device: "c", property: "t", time: rig.clock.now(), value: 1 }])
  await rig.run(1_100)
  expect(rig.told.at(-1)).toMatchObject({ device: "c" })
  await rig.windows.close()
})
