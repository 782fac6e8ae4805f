import { batchOf, type KeyedRecord } from "@brume/core"
import { MemoryDisk, RecordingDisk, SeededRandom, simulatedAmbient } from "@brume/testkit"
import { expect, test } from "vitest"
import { type Log, openLog } from "./log.ts"

/** Seeds and crash images of the short form; BRUME_LONG multiplies them. */
const effort = process.env.BRUME_LONG === undefined ? 1 : 4

/** One append: its readings all have its number as their value, and so does the key `last`. */
interface Step {
  readonly seq: number
  readonly rows: number
  readonly records: readonly KeyedRecord[]
  /** Changes recorded when it was acknowledged; a crash from then on must keep it. */
  acknowledgedAt: number
}

const optionsOn = (disk: MemoryDisk | RecordingDisk, fileBytes: number) => ({
  ...simulatedAmbient(3),
  disk,
  node: "fog-1",
  fileBytes,
  maxDelayMs: 0,
  maxPendingBytes: 1 << 20,
  minFreeBytes: 0,
})

function recordsOf(random: SeededRandom, number: number): KeyedRecord[] {
  const records: KeyedRecord[] = [{ kind: "state", key: "last", value: bytesOf(number) }]
  for (let i = random.below(3); i > 0; i--) {
    const value = random.chance(0.2) ? undefined : random.bytes(random.below(900))
    records.push({ kind: random.pick(["state", "document"] as const), key: `k${random.below(8)}`, value })
  }
  return records
}

const bytesOf = (number: number) => new Uint8Array(Float64Array.of(number).buffer)

function batchOfStep(random: SeededRandom, number: number, rows: number) {
  const text = random.chance(0.2) ? { text: "x".repeat(random.below(1500)) } : {}
  return batchOf(Array.from({ length: rows }, (_, i) => ({ device: `d${i % 5}`, value: number, time: i, ...text })))
}

/** Appends, snapshots and trims at random, some at once and some one after the other, and records every change. */
async function runSession(seed: number) {
  const random = new SeededRandom(seed)
  const disk = new RecordingDisk(new MemoryDisk())
  const fileBytes = random.pick([500, 1000, 4000])
  const log = await openLog(optionsOn(disk, fileBytes))
  const steps: Step[] = []
  const append = () => {
    const number = steps.length
    const rows = random.below(6)
    const records = recordsOf(random, number)
    const appended = rows === 0 ? log.put(records) : log.append(batchOfStep(random, number, rows), records)
    const step: Step = { seq: appended.seq, rows, records, acknowledgedAt: Number.POSITIVE_INFINITY }
    steps.push(step)
    return appended.durable.then(() => {
      step.acknowledgedAt = disk.length
    })
  }
  for (let i = 0; i < 14 * effort; i++) {
    const waiting = Array.from({ length: 1 + random.below(4) }, append)
    if (random.chance(0.25)) waiting.push(log.snapshot())
    if (random.chance(0.2)) waiting.push(log.trim(log.nextSeq))
    if (random.chance(0.7)) await Promise.all(waiting)
  }
  if (random.chance(0.5)) await log.close()
  else await log.put([]).durable
  return { disk, steps, fileBytes }
}

/** Checks that a log holds the first so many steps and nothing else, and returns how many. */
async function checkPrefix(log: Log, steps: readonly Step[]): Promise<number> {
  const last = log.get("state", "last")
  const count = last === undefined ? 0 : new Float64Array(last.slice().buffer)[0]! + 1
  const seen: [number, number, number][] = []
  await log.replay(log.firstSeq, (batch, seq) => {
    const numbers = new Set(batch.kind.some((kind) => kind !== 1) ? [] : batch.value)
    if (numbers.size > 1) throw new Error("a batch mixes readings of two")
    seen.push([seq, batch.length, [...numbers][0] ?? -1])
  })
  const kept = steps.slice(0, count)
  const expected = kept.filter((step) => step.rows > 0 && step.seq + step.rows > log.firstSeq)
  expect(seen.map(([seq, rows]) => [seq, rows])).toEqual(expected.map((step) => [step.seq, step.rows]))
  for (const [seq, , number] of seen) if (number >= 0) expect(steps[number]!.seq).toBe(seq)
  const state = new Map<string, string>()
  for (const { kind, key, value } of kept.flatMap((step) => step.records)) {
    if (value === undefined) state.delete(`${kind} ${key}`)
    else state.set(`${kind} ${key}`, Buffer.from(value).toString("hex"))
  }
  const entriesOf = (map: ReadonlyMap<string, string>) =>
    [...map]
      .map(([key, value]) => `${key}=${value}`)
      .sort()
      .join("\n")
  const found = (["state", "document"] as const).flatMap((kind) =>
    [...log.entries(kind)].map(([key, value]) => [`${kind} ${key}`, Buffer.from(value).toString("hex")] as const),
  )
  expect(entriesOf(new Map(found))).toBe(entriesOf(state))
  return count
}

interface Image {
  readonly disk: MemoryDisk
  readonly steps: readonly Step[]
  readonly fileBytes: number
  readonly prefix: number
}

/** Recovers an image, checks it, goes on with it, and checks that once more. */
async function checkImage({ disk, steps, fileBytes, prefix }: Image): Promise<void> {
  const acknowledged = steps.findLastIndex((step) => step.acknowledgedAt <= prefix) + 1
  const recording = new RecordingDisk(new MemoryDisk())
  for (const folder of disk.folders()) await recording.makeFolder(folder)
  for (const path of disk.paths()) await recording.replace(path, disk.contentOf(path))
  for (const folder of ["", ...disk.folders()]) await recording.syncFolder(folder)
  const before = recording.length
  const log = await openLog(optionsOn(recording, fileBytes))
  const count = await checkPrefix(log, steps)
  expect(count).toBeGreaterThanOrEqual(acknowledged)
  expect(log.damaged.filter((range) => range.certainty === "acknowledged")).toEqual([])
  const next = log.append(batchOf([{ value: count, device: "after" }]), [
    { kind: "state", key: "last", value: bytesOf(count) },
  ])
  await next.durable
  await log.close()
  if (prefix % 3 !== 0) return
  // A second crash, in the middle of the recovery from the first: nothing that was in force may get lost.
  const random = new SeededRandom(prefix)
  const second = recording.imageAt(before + random.below(recording.length - before), { random })
  const again = await openLog(optionsOn(second, fileBytes))
  const records = [{ kind: "state" as const, key: "last", value: bytesOf(count) }]
  const countAgain = await checkPrefix(again, [
    ...steps.slice(0, count),
    { seq: next.seq, rows: 1, records, acknowledgedAt: 0 },
  ])
  expect(countAgain).toBeGreaterThanOrEqual(count)
  expect(again.damaged.filter((range) => range.certainty === "acknowledged")).toEqual([])
}

test.each(Array.from({ length: 4 * effort }, (_, i) => i))(
  "whenever the process dies, what it wrote is whole (seed %i)",
  async (seed) => {
    const session = await runSession(seed)
    for (let prefix = 0; prefix <= session.disk.length; prefix++) {
      await checkImage({ ...session, prefix, disk: session.disk.imageAt(prefix, "kept") })
    }
  },
)

test.each(Array.from({ length: 4 * effort }, (_, i) => 100 + i))(
  "whenever the power fails, every acknowledged commit is whole (seed %i)",
  async (seed) => {
    const session = await runSession(seed)
    const random = new SeededRandom(seed)
    for (let prefix = 0; prefix <= session.disk.length; prefix++) {
      const unsynced = random.chance(0.2) ? "dropped" : { random }
      await checkImage({ ...session, prefix, disk: session.disk.imageAt(prefix, unsynced) })
    }
  },
)
