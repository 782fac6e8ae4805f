/** Windows over random readings say what plain SQL over the same readings says. */
import type { QueryRow } from "@brume/core"
import { FogError } from "@brume/core"
import fc from "fast-check"
import { expect, test } from "vitest"
import { openDuckDb, type RigReading, WindowsRig, windowed } from "../../../../../test/rig/windows.ts"
import type { WindowResult } from "./window-result.ts"
import type { WindowSpec } from "./window-spec.ts"

const connection = await openDuckDb()
const name = "rule"

const select = `count(*) AS n, count(value) AS numbers, count(text) AS words, sum(value) AS total, avg(value) AS mean,
  min(value) AS low, max(value) AS high, stddev(value) AS spread, var_pop(value) AS variance, first(value) AS opening,
  last(value) AS closing, last(text) AS word, median(value) AS middle, quantile_cont(value, 0.95) AS p95,
  quantile_disc(value, 0.3) AS p30, max(value) - min(value) AS swing, arg_max(time, value) AS peak, min(time) AS began`

/** The same in DuckDB's own words. */
const columns = `count(*) AS n, count(value) AS numbers, count(text) AS words, sum(value) AS total, avg(value) AS mean,
  min(value) AS low, max(value) AS high, stddev_samp(value) AS spread, var_pop(value) AS variance,
  first(value ORDER BY time, seq) FILTER (value IS NOT NULL) AS opening,
  last(value ORDER BY time, seq) FILTER (value IS NOT NULL) AS closing,
  last(text ORDER BY time, seq) FILTER (text IS NOT NULL) AS word, quantile_cont(value, 0.5) AS middle,
  quantile_cont(value, 0.95) AS p95, quantile_disc(value, 0.3) AS p30, max(value) - min(value) AS swing,
  last(time ORDER BY value, time DESC) FILTER (value IS NOT NULL) AS peak, min(time) AS began`

interface Span {
  readonly spec: WindowSpec
  readonly sizeUs: number
  readonly slideUs: number
  readonly gapUs: number
  readonly latenessUs: number
}

const ms = 1_000
const spans: fc.Arbitrary<Span> = fc
  .record({
    type: fc.constantFrom("tumbling" as const, "sliding" as const, "session" as const),
    size: fc.constantFrom(1_500, 3_000),
    /** Slides of two thirds have windows of several panes each. */
    part: fc.constantFrom([1, 1], [1, 2], [1, 3], [1, 5], [2, 3]),
    gap: fc.constantFrom(200, 700),
    lateness: fc.constantFrom(0, 0, 300, 2_000),
    late: fc.constantFrom("drop" as const, "update" as const),
    by: fc.constantFrom(undefined, ["device"], ["property"], []),
  })
  .map(({ type, size, part: [of = 1, parts = 1], gap, lateness, late, by }) => ({
    spec: {
      type,
      size: `${size}ms`,
      ...(type === "sliding" ? { slide: `${(size * of) / parts}ms` } : {}),
      ...(type === "session" ? { gap: `${gap}ms` } : {}),
      ...(by === undefined ? {} : { by }),
      ...{ select, allowedLateness: `${lateness}ms`, late },
    },
    sizeUs: size * ms,
    slideUs: type === "sliding" ? ((size * of) / parts) * ms : size * ms,
    gapUs: gap * ms,
    latenessUs: lateness * ms,
  }))

/** Times are ms before now; a few are ahead. */
const reading = fc.record({
  device: fc.constantFrom("a", "b"),
  property: fc.constantFrom("t", "u"),
  agoMs: fc.oneof(
    fc.integer({ min: 0, max: 50 }),
    fc.integer({ min: 0, max: 5_000 }),
    fc.integer({ min: -2_000, max: 0 }),
    fc.constantFrom(0, 100, 500),
  ),
  value: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.constant(null)),
})

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ readings: fc.array(reading, { minLength: 1, maxLength: 8 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ runMs: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constantFrom(500, 1_000)) }),
  },
  { weight: 1, arbitrary: fc.record({ downMs: fc.constantFrom(0, 1, 700, 4_000) }) },
  { weight: 1, arbitrary: fc.record({ refusedMs: fc.constantFrom(10, 1_200) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

test("windows say what SQL over the same readings says: late readings, refused commits and crashes change nothing", async () => {
  await fc.assert(
    fc.asyncProperty(spans, fc.array(step, { minLength: 1, maxLength: 40 }), async (span, steps) => {
      const rig = await WindowsRig.open(connection)
      const start = rig.clock.now()
      let fault: unknown
      // A commit that fails is tried again: what is wrong has to be kept.
      rig.onTell = (results) =>
        checkUpdates(rig, span, results).catch((error: unknown) => {
          fault ??= error
        })
      rig.windows.set(windowed(name, span.spec))
      await rig.windows.begin()
      for (const each of steps) await perform(rig, span, each)
      rig.refusal = undefined
      await rig.run(20_000)
      if (fault !== undefined) throw fault
      const expected = span.spec.type === "session" ? await sessionsOf(rig, span) : await panesOf(rig, span, start)
      const first = rig.told.filter(({ revision }) => revision === 0)
      expect(new Set(first.map(({ cause }) => cause.join(" "))).size).toBe(first.length)
      expectSame(first.map(flat), expected)
      if (span.spec.late === "update") await expectUpdated(rig, span, start)
      else expect(rig.told.length).toBe(first.length)
      expect(rig.logger.entries.filter(({ level }) => level === "error")).toEqual([])
      await rig.windows.close()
    }),
    { numRuns: Number(process.env["BRUME_RUNS"] ?? 60) },
  )
}, 120_000)

async function perform(rig: WindowsRig, span: Span, each: Step): Promise<void> {
  if ("readings" in each) {
    const now = rig.clock.now()
    rig.append(
      each.readings.map(
        ({ agoMs, value, ...names }): RigReading => ({
          ...names,
          time: now - agoMs * ms,
          ...(value === null ? { text: `word ${agoMs}` } : { value }),
        }),
      ),
    )
  } else if ("runMs" in each) await rig.run(each.runMs)
  else if ("downMs" in each) {
    await rig.settle()
    await rig.crash()
    rig.refusal = undefined
    await rig.clock.run(each.downMs)
    rig.windows.set(windowed(name, span.spec))
    const begun = rig.windows.begin()
    // Readings do not wait until windows have been rebuilt.
    await new Promise<void>((resolve) => setImmediate(resolve))
    rig.append([{ device: "a", property: "t", time: rig.clock.now() - 10 * ms, value: 1 }])
    await begun
  } else {
    rig.refusal = new FogError("store_full", { message: "The disk is full" })
    await rig.run(each.refusedMs)
    rig.refusal = undefined
  }
}

/** Group columns of SQL. */
function groupOf({ spec }: Span): string {
  const by = spec.by ?? ["device", "property"]
  return ["device", "property"].map((key) => (by.includes(key) ? key : `NULL::VARCHAR AS ${key}`)).join(", ")
}

/** Every window that holds each reading, and whether it is late for it. */
function placed({ sizeUs, slideUs, latenessUs }: Span): string {
  return `SELECT *, received >= make_timestamp(start + ${sizeUs + latenessUs}) AS is_late FROM (
    SELECT *, unnest(range((epoch_us(time) // ${slideUs}) * ${slideUs}, epoch_us(time) - ${sizeUs}, -${slideUs})) AS start
    FROM readings)`
}

async function panesOf(rig: WindowsRig, span: Span, startUs: number): Promise<QueryRow[]> {
  return rig.rows(`SELECT ${groupOf(span)}, start AS "from", start + ${span.sizeUs} AS until, ${columns}
    FROM (${placed(span)}) WHERE NOT is_late AND start + ${span.sizeUs + span.latenessUs} > ${startUs} GROUP BY ALL`)
}

/** Sessions by their definition, reading by reading; what they amount to by SQL. */
async function sessionsOf(rig: WindowsRig, { spec, sizeUs, gapUs, latenessUs }: Span): Promise<QueryRow[]> {
  interface Session {
    times: number[]
    seqs: number[]
  }
  const by = spec.by ?? ["device", "property"]
  const sessions = new Map<string, Session[]>()
  const endOf = ({ times }: Session): number =>
    Math.min(Math.max(...times) + gapUs, (Math.floor(times[0]! / sizeUs) + 1) * sizeUs)
  for (const { device, property, time, received, seq } of rig.store.readings) {
    const key = `${by.includes("device") ? device : ""} ${by.includes("property") ? property : ""}`
    const own = sessions.get(key) ?? []
    sessions.set(key, own)
    const isClosed = (session: Session): boolean => endOf(session) + latenessUs <= received
    if (own.some((session) => isClosed(session) && time < endOf(session))) continue
    const near = own.filter(
      (session) =>
        !isClosed(session) &&
        Math.floor(session.times[0]! / sizeUs) === Math.floor(time / sizeUs) &&
        session.times.some((other) => Math.abs(other - time) < gapUs),
    )
    const alone = { times: [time], seqs: [seq] }
    if (near.length === 0 && isClosed(alone)) continue
    const joined: Session = { times: [], seqs: [] }
    for (const session of [...near, alone]) {
      joined.times.push(...session.times)
      joined.seqs.push(...session.seqs)
    }
    sessions.set(key, [...own.filter((session) => !near.includes(session)), joined])
  }
  const rows: QueryRow[] = []
  for (const own of sessions.values())
    for (const session of own) {
      const sql = `SELECT ${["device", "property"].map((key) => (by.includes(key) ? `any_value(${key}) AS ${key}` : `NULL AS ${key}`)).join(", ")},
        ${Math.min(...session.times)} AS "from", ${endOf(session)} AS until, ${columns}
        FROM readings WHERE seq IN (${session.seqs.join(", ")})`
      rows.push(...(await rig.rows(sql)))
    }
  return rows
}

/** Every window with late readings, all of its readings counted. */
async function lateOf(rig: WindowsRig, span: Span): Promise<QueryRow[]> {
  return rig.rows(`SELECT ${groupOf(span)}, start AS "from", start + ${span.sizeUs} AS until,
    count(*) FILTER (is_late) AS revision, ${columns} FROM (${placed(span)}) GROUP BY ALL HAVING revision > 0`)
}

/** What is told of late readings is what SQL says just then. */
async function checkUpdates(rig: WindowsRig, span: Span, results: readonly WindowResult[]): Promise<void> {
  const updates = results.filter(({ revision }) => revision > 0)
  if (updates.length === 0) return
  if (span.spec.type === "session") {
    for (const { device, property, startUs, endUs, scope } of updates) {
      const [row] = await rig.rows(`SELECT ${columns} FROM readings WHERE time >= make_timestamp(${startUs})
        AND time <= make_timestamp(${endUs - 1})
        ${device === undefined ? "" : `AND device = '${device}'`} ${property === undefined ? "" : `AND property = '${property}'`}`)
      expectSame([flatScope(scope)], [row!])
    }
    return
  }
  const now = await lateOf(rig, span)
  const told = new Set(updates.map(keyOfResult))
  expectSame(
    updates.map((result) => ({ ...flat(result), revision: result.revision })),
    now.filter((row) => told.has(keyOfRow(row))),
  )
}

async function expectUpdated(rig: WindowsRig, span: Span, startUs: number): Promise<void> {
  if (span.spec.type === "session") return
  const last = new Map<string, WindowResult>()
  for (const result of rig.told) if (result.revision > 0) last.set(keyOfResult(result), result)
  const expected = (await lateOf(rig, span)).filter(
    (row) => (row.from as number) + span.sizeUs + span.latenessUs > startUs || last.has(keyOfRow(row)),
  )
  expectSame(
    [...last.values()].map((result) => ({ ...flat(result), revision: result.revision })),
    expected,
  )
}

const keyOfResult = ({ device, property, startUs }: WindowResult): string =>
  `${device ?? null} ${property ?? null} ${startUs}`
const keyOfRow = ({ device, property, from }: QueryRow): string => `${device} ${property} ${from}`

function flatScope(scope: WindowResult["scope"]): QueryRow {
  const { window_start, window_end, device, property, revision, ...selected } = scope
  return Object.fromEntries(
    Object.entries(selected).map(([key, value]) => [
      key,
      value === undefined ? null : value instanceof Date ? value.getTime() * ms : (value as number | string),
    ]),
  )
}

function flat(result: WindowResult): QueryRow {
  const { device = null, property = null, startUs, endUs, scope } = result
  return { device, property, from: startUs, until: endUs, ...flatScope(scope) }
}

function expectSame(rows: readonly QueryRow[], expected: readonly QueryRow[]): void {
  const sorted = (all: readonly QueryRow[]): QueryRow[] =>
    [...all].sort((a, b) => (`${a.from} ${keyOfRow(a)}` < `${b.from} ${keyOfRow(b)}` ? -1 : 1))
  const [ours, theirs] = [sorted(rows), sorted(expected)]
  expect(ours.map(keyOfRow)).toEqual(theirs.map(keyOfRow))
  for (const [at, row] of ours.entries())
    for (const [key, value] of Object.entries(theirs[at]!)) {
      const told = row[key]
      if (typeof value === "number" && typeof told === "number")
        expect(Math.abs(told - value), `${key}: ${told} is not ${value}`).toBeLessThanOrEqual(
          1e-6 + 1e-9 * Math.abs(value),
        )
      else expect(told, key).toEqual(value)
    }
}
