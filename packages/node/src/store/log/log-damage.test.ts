import { batchOf, type DamagedRange } from "@brume/core"
import { MemoryDisk, SeededRandom, simulatedAmbient } from "@brume/testkit"
import { expect, test } from "vitest"
import { fileName, parseFileName } from "./format.ts"
import { type Log, openLog } from "./log.ts"

/** In the short form every position of one file of a kind is damaged; BRUME_LONG damages all of them. */
const isLong = process.env.BRUME_LONG !== undefined
const longest = isLong ? 600_000 : 30_000

let opened = 0

const optionsOn = (disk: MemoryDisk) => ({
  ...simulatedAmbient(opened++),
  disk,
  node: "fog-1",
  fileBytes: 700,
  maxDelayMs: 0,
  maxPendingBytes: 1 << 20,
  minFreeBytes: 0,
})

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : new TextDecoder().decode(value))

interface Original {
  readonly disk: MemoryDisk
  readonly nextSeq: number
  /** Rows by sequence. */
  readonly rows: ReadonlyMap<number, string>
  /** Batches by their first sequence: what one damaged place may cost. */
  readonly batches: ReadonlyMap<number, number>
  /** What a key had, by sequence of its records. */
  readonly values: ReadonlyMap<string, readonly { readonly seq: number; readonly value: string }[]>
}

/** A log of several files with readings, keyed records and two snapshots, closed or killed. */
async function writeOriginal(isClosed: boolean): Promise<Original> {
  const disk = new MemoryDisk()
  const log = await openLog(optionsOn(disk))
  const rows = new Map<number, string>()
  const batches = new Map<number, number>()
  const values = new Map<string, { seq: number; value: string }[]>()
  for (let i = 0; i < 14; i++) {
    const batch = batchOf([
      { device: "d", property: "p", value: i, time: i },
      { device: "é", property: "p", text: `text ${i}`, time: -i },
    ])
    const key = `k${i % 3}`
    const { seq } = log.append(batch, [{ kind: "state", key, value: bytes(`${i}`) }])
    batches.set(seq, 2)
    for (let row = 0; row < 2; row++) rows.set(seq + row, describeRow(batch, row))
    values.set(key, [...(values.get(key) ?? []), { seq: seq + 2, value: `${i}` }])
    // Some groups hold one append, some hold two.
    if (i % 3 !== 0) await log.put([]).durable
    if (i === 5 || i === 8) await log.snapshot()
  }
  await log.put([]).durable
  const { nextSeq } = log
  if (isClosed) await log.close()
  return { disk, nextSeq, rows, batches, values }
}

function describeRow(batch: ReturnType<typeof batchOf>, row: number): string {
  const origin = { node: "", epoch: "", firstSeq: 0 }
  return JSON.stringify({ ...batch.readingAt(row, origin), received: 0 })
}

interface Outcome {
  readonly disk: MemoryDisk
  readonly log: Log
  /** Sequences of readings that are not served. */
  readonly missing: readonly number[]
  readonly damaged: readonly DamagedRange[]
}

/** Opens a damaged log: nothing that it serves below `limit` may be wrong. */
async function open(disk: MemoryDisk, original: Original, limit = original.nextSeq): Promise<Outcome> {
  const log = await openLog(optionsOn(disk))
  const missing = new Set(original.rows.keys())
  await log.replay(0, (batch, firstSeq) => {
    for (let row = 0; row < batch.length && firstSeq + row < limit; row++) {
      if (describeRow(batch, row) !== original.rows.get(firstSeq + row)) throw new Error(`Wrong row ${firstSeq + row}`)
      missing.delete(firstSeq + row)
    }
  })
  for (const [key, value] of log.entries("state")) {
    if (!original.values.get(key)?.some((one) => one.value === text(value))) throw new Error(`Wrong value of ${key}`)
  }
  return { disk, log, missing: [...missing], damaged: log.damaged }
}

const isReported = ({ damaged }: Outcome, seq: number) =>
  damaged.some((range) => range.fromSeq <= seq && seq < range.toSeq)

/** Every key has the last value whose record is not lost. */
function checkState(outcome: Outcome, original: Original, cutFrom = Number.POSITIVE_INFINITY): void {
  for (const [key, history] of original.values) {
    const inForce = history.filter(({ seq }) => seq < cutFrom && !isReported(outcome, seq))
    const found = text(outcome.log.get("state", key))
    if (found !== inForce.at(-1)?.value) throw new Error(`${key} is ${found}, not ${inForce.at(-1)?.value}`)
  }
}

/** The log goes on after damage, and what was reported stays reported. */
async function checkGoingOn({ disk, log, damaged, missing }: Outcome, original: Original): Promise<void> {
  const { seq, durable } = log.append(batchOf([{ value: 1 }]))
  if (original.rows.has(seq) && !missing.includes(seq)) throw new Error(`Sequence ${seq} was given before`)
  await durable
  await log.close()
  const again = await open(disk, original, seq)
  expect(again.damaged).toEqual(damaged)
  expect(again.missing.filter((one) => one < seq)).toEqual(missing.filter((one) => one < seq))
  expect(again.log.nextSeq).toBe(seq + 1)
  await again.log.close()
}

function logFilesOf(disk: MemoryDisk): string[] {
  return disk.paths().filter((path) => path.endsWith(".log"))
}

const seqOf = (path: string) => parseFileName(path.replace("log/", ""))!.seq

function* positionsOf(length: number, isSampled = false): IterableIterator<number> {
  for (let at = 0; at < length; at += isSampled && !isLong ? 9 : 1) yield at
}

async function checkFlip(original: Original, path: string, at: number, isKilled: boolean): Promise<void> {
  const disk = original.disk.copy()
  const damaged = original.disk.contentOf(path)
  damaged[at]! ^= 1 << ((at * 5) % 8)
  disk.overwrite(path, damaged)
  const outcome = await open(disk, original)
  // Of a killed log, the last group may have been under way: it is dropped whole.
  const isLastGroup = (seq: number) => isKilled && seq >= original.nextSeq - 6
  const unreported = outcome.missing.filter((seq) => !isReported(outcome, seq))
  if (!unreported.every(isLastGroup)) throw new Error(`${path} at ${at}: ${unreported} are missing without a report`)
  if (!outcome.missing.every(isLastGroup) && outcome.missing.length > 2) {
    throw new Error(`${path} at ${at}: ${outcome.missing} are missing`)
  }
  if (unreported.length === 0) checkState(outcome, original)
  if (at % 15 === 0) await checkGoingOn(outcome, original)
}

test.each(["first", "middle", "last"] as const)(
  "a flipped bit anywhere in the %s file costs at most its record",
  async (which) => {
    const original = await writeOriginal(true)
    const files = logFilesOf(original.disk)
    expect(files.length).toBeGreaterThan(2)
    const path = files.at({ first: 0, middle: 1, last: -1 }[which])!
    const isSampled = which === "middle"
    for (const at of positionsOf(original.disk.contentOf(path).length, isSampled))
      await checkFlip(original, path, at, false)
  },
)

test("a flipped bit in the last file of a killed log costs at most its record, or the last group", async () => {
  const original = await writeOriginal(false)
  const path = logFilesOf(original.disk).at(-1)!
  for (const at of positionsOf(original.disk.contentOf(path).length)) await checkFlip(original, path, at, true)
})

test("a file cut at any place costs what lies behind it, and the gap is reported", async () => {
  const original = await writeOriginal(true)
  const files = logFilesOf(original.disk)
  for (const [i, path] of files.entries()) {
    const content = original.disk.contentOf(path)
    const next = files[i + 1]
    for (const length of positionsOf(content.length, i > 0)) {
      const disk = original.disk.copy()
      disk.overwrite(path, content.subarray(0, length))
      const outcome = await open(disk, original)
      const isInFile = (seq: number) => seq >= seqOf(path) && (next === undefined || seq < seqOf(next))
      if (!outcome.missing.every(isInFile)) throw new Error(`${path} at ${length}: ${outcome.missing} are missing`)
      if (next !== undefined) {
        const unreported = outcome.missing.filter((seq) => !isReported(outcome, seq))
        if (unreported.length > 0) throw new Error(`${path} at ${length}: ${unreported} are missing without a report`)
        checkState(outcome, original)
      } else expect(outcome.damaged.every((range) => range.certainty === "unconfirmed")).toBe(true)
      if (length % 15 === 0) await checkGoingOn(outcome, original)
    }
  }
})

test("a damaged snapshot of two costs nothing", async () => {
  const original = await writeOriginal(true)
  const snapshots = original.disk.paths().filter((path) => path.endsWith(".snapshot"))
  expect(snapshots).toHaveLength(2)
  for (const path of snapshots) {
    const content = original.disk.contentOf(path)
    for (const at of positionsOf(content.length)) {
      const flipped = content.slice()
      flipped[at]! ^= 0x10
      for (const damaged of [flipped, content.subarray(0, at)]) {
        const disk = original.disk.copy()
        disk.overwrite(path, damaged)
        const outcome = await open(disk, original)
        expect([outcome.damaged.length, outcome.missing.length]).toEqual([0, 0])
        checkState(outcome, original)
        if (at % 15 === 0) await checkGoingOn(outcome, original)
      }
    }
  }
})

test.each([
  ["removed", () => undefined],
  ["emptied", () => new Uint8Array()],
  ["zeroed", (content: Uint8Array) => new Uint8Array(content.length)],
  ["overwritten", (content: Uint8Array) => new SeededRandom(5).bytes(content.length)],
])("every file of the folder may be %s", async (_, change) => {
  const original = await writeOriginal(true)
  const files = logFilesOf(original.disk)
  for (const path of original.disk.paths()) {
    const disk = original.disk.copy()
    const changed = change(original.disk.contentOf(path))
    if (changed === undefined) await disk.remove(path)
    else disk.overwrite(path, changed)
    const outcome = await open(disk, original)
    const isLast = path === files.at(-1)
    const isFirst = path === files[0]
    if (!path.endsWith(".log")) expect(outcome.missing).toEqual([])
    else if (!isLast && !(isFirst && changed === undefined)) {
      expect(outcome.missing.filter((seq) => !isReported(outcome, seq))).toEqual([])
      // Snapshots hold what the keyed records of this file said, as far as they were taken after it.
      expect(outcome.missing.length).toBeGreaterThan(0)
    }
    await checkGoingOn(outcome, original)
  }
})

test("when no log file is usable a new epoch begins with the snapshot's state, and the bytes are kept", async () => {
  const original = await writeOriginal(true)
  for (const fill of [0x00, 0x5a]) {
    const disk = original.disk.copy()
    for (const path of logFilesOf(disk)) disk.overwrite(path, new Uint8Array(disk.contentOf(path).length).fill(fill))
    const log = await openLog(optionsOn(disk))
    const before = parseFileName(logFilesOf(original.disk)[0]!.slice(4))!.epoch
    expect(log.epoch).not.toBe(before)
    expect(log.nextSeq).toBe(0)
    // The newer snapshot was taken after nine appends.
    expect(["k0", "k1", "k2"].map((key) => text(log.get("state", key)))).toEqual(["6", "7", "8"])
    expect(log.damaged.filter((range) => range.epoch === before).length).toBeGreaterThan(0)
    for (const { quarantined } of log.damaged) expect(disk.contentOf(quarantined).length).toBeGreaterThan(0)
    await log.append(batchOf([{ value: 1 }])).durable
    await log.close()
    const again = await openLog(optionsOn(disk))
    expect([again.epoch, again.nextSeq, text(again.get("state", "k0"))]).toEqual([log.epoch, 1, "6"])
    expect(again.damaged).toEqual(log.damaged)
  }
})

test("when both snapshots and the log below them are gone, what can be read is kept and the loss is reported", async () => {
  const original = await writeOriginal(true)
  const disk = original.disk.copy()
  for (const path of disk.paths()) {
    if (seqOf(path) === 0) await disk.remove(path)
    else if (path.endsWith(".snapshot")) disk.overwrite(path, disk.contentOf(path).fill(0xff, 100, 110))
  }
  const outcome = await open(disk, original)
  expect(outcome.damaged).toEqual([
    expect.objectContaining({ certainty: "acknowledged", file: expect.stringMatching(/snapshot$/) }),
  ])
  expect(outcome.damaged[0]!.fromSeq).toBe(outcome.damaged[0]!.toSeq)
  await checkGoingOn(outcome, original)
})

test("a log that ends before a snapshot says is missing acknowledged records", async () => {
  const original = await writeOriginal(true)
  const snapshots = original.disk.paths().filter((path) => path.endsWith(".snapshot"))
  const reached = seqOf(snapshots.at(-1)!)
  const disk = original.disk.copy()
  for (const path of logFilesOf(disk).slice(1)) await disk.remove(path)
  const outcome = await open(disk, original)
  expect(outcome.log.nextSeq).toBe(reached)
  expect(outcome.missing.filter((seq) => seq < reached && !isReported(outcome, seq))).toEqual([])
  await checkGoingOn(outcome, original)
})

test("damaged bytes are kept in quarantine, and removing them ends the report once the log is trimmed", async () => {
  const original = await writeOriginal(true)
  const disk = original.disk.copy()
  const path = logFilesOf(disk)[0]!
  const content = disk.contentOf(path)
  const at = Buffer.from(content).indexOf("text 1")
  content[at]! ^= 1
  disk.overwrite(path, content)
  const outcome = await open(disk, original)
  expect(outcome.missing).toEqual([3, 4])
  const [range] = outcome.damaged
  expect(range).toMatchObject({ epoch: outcome.log.epoch, fromSeq: 3, toSeq: 5, file: path, certainty: "acknowledged" })
  expect(Buffer.from(disk.contentOf(range!.quarantined)).includes("uext 1")).toBe(true)
  const { logger } = optionsOn(disk)
  expect(logger.entries).toEqual([])
  await outcome.log.trim(1000)
  await outcome.log.close()
  await disk.remove(range!.quarantined)
  expect((await open(disk, original)).damaged).toEqual([])
})

test("damage that comes after the log was opened is found by a replay, reported, and not served", async () => {
  const original = await writeOriginal(true)
  const { disk, log } = await open(original.disk.copy(), original)
  const path = logFilesOf(disk)[1]!
  const content = disk.contentOf(path)
  content[Buffer.from(content).indexOf("text")]! ^= 1
  disk.overwrite(path, content)
  const seqs: number[] = []
  await log.replay(0, (_, firstSeq) => {
    seqs.push(firstSeq)
  })
  expect(seqs).toHaveLength(original.batches.size - 1)
  expect(log.damaged).toHaveLength(1)
  expect(seqs).not.toContain(log.damaged[0]!.fromSeq)
})

test("files of a newer version are refused, not harmed", async () => {
  const original = await writeOriginal(true)
  const path = logFilesOf(original.disk).at(-1)!
  const { encodeHeader, checksum } = await import("./format.ts")
  const epoch = parseFileName(path.slice(4))!.epoch
  const times = { created: 0, timeFloor: 0 }
  const head = encodeHeader({ kind: "log", node: "fog-1", epoch, firstSeq: seqOf(path), previousSeq: 0, ...times })
  head.writeUInt16LE(2, 8)
  head.writeUInt32LE(checksum(head.subarray(16), checksum(head.subarray(0, 12), 0)), 12)
  const disk = original.disk.copy()
  disk.overwrite(path, head)
  const before = disk.paths()
  await expect(openLog(optionsOn(disk))).rejects.toMatchObject({
    code: "store_version",
    message: expect.stringContaining(path),
    hint: expect.any(String),
  })
  expect(disk.paths()).toEqual(before)
})

test("files of another epoch are set aside", async () => {
  const original = await writeOriginal(true)
  const disk = original.disk.copy()
  const other = new MemoryDisk()
  const options = { ...optionsOn(other), ...simulatedAmbient(9) }
  options.clock.jump(options.clock.now() - 1e12)
  const foreign = await openLog(options)
  await foreign.append(batchOf([{ value: 666 }])).durable
  await foreign.close()
  const [path] = other.paths()
  disk.overwrite(path!, other.contentOf(path!))
  const outcome = await open(disk, original)
  expect([outcome.missing.length, outcome.damaged.length]).toEqual([0, 0])
  expect(disk.paths()).toContain(path!.replace("log/", "quarantine/"))
  checkState(outcome, original)
})

test("a file under a wrong name is set aside", async () => {
  const original = await writeOriginal(true)
  const disk = original.disk.copy()
  const path = logFilesOf(disk).at(-1)!
  const { epoch, seq } = parseFileName(path.slice(4))!
  const wrong = fileName("log", epoch, seq + 100).name
  await disk.rename(path, `log/${wrong}`)
  const outcome = await open(disk, original)
  expect(outcome.missing.every((one) => one >= seq)).toBe(true)
  expect(disk.paths()).toContain(`quarantine/${wrong}`)
})

async function checkSeveral(seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  const original = await writeOriginal(random.chance(0.5))
  const disk = original.disk.copy()
  for (let i = 1 + random.below(5); i > 0; i--) {
    const path = random.pick(disk.paths())
    const content = disk.contentOf(path)
    const at = random.below(content.length)
    const what = random.below(5)
    if (what === 0) content[at]! ^= 1 << random.below(8)
    if (what === 1) content.fill(0, at, at + 512)
    if (what === 2) content.set(random.bytes(Math.min(64, content.length - at)), at)
    if (what === 3) content.copyWithin(at & ~7, random.below(content.length) & ~7)
    // Without the last file the log looks as if it had been stopped before.
    if (what === 4 && path !== logFilesOf(original.disk).at(-1)) await disk.remove(path)
    else disk.overwrite(path, random.chance(0.1) ? content.subarray(0, at) : content)
  }
  if (logFilesOf(disk).length === 0) return
  const outcome = await open(disk, original)
  if (outcome.log.epoch === parseFileName(logFilesOf(original.disk)[0]!.slice(4))!.epoch) {
    const last = seqOf(logFilesOf(original.disk).at(-1)!)
    const unreported = outcome.missing.filter((seq) => seq >= outcome.log.firstSeq && !isReported(outcome, seq))
    expect(unreported.filter((seq) => seq < last && seq < outcome.log.nextSeq)).toEqual([])
  }
  await checkGoingOn(outcome, original)
}

test(
  "several damages at once",
  async () => {
    for (let seed = 0; seed < (isLong ? 5000 : 80); seed++) {
      await checkSeveral(seed).catch((cause) => {
        throw new Error(`Seed ${seed}: ${cause.message}`, { cause })
      })
    }
  },
  longest,
)
