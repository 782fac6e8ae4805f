/** The real store on a real folder, on a clock that stands still, and the rows that its SQL sees. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Disk, Reading, ReadingBatch } from "@brume/core"
import { nullMetrics, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { openDisk } from "../../packages/node/src/disk/disk.ts"
import { type NodeStore, openStore, type StoreOptions } from "../../packages/node/src/store/store.ts"
import { wellFormedJson } from "../../packages/node/src/store/tables/row-writer.ts"

export interface Folder extends AsyncDisposable {
  readonly path: string
  readonly disk: Disk
}

export async function emptyFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "brume-store-"))
  return {
    path,
    disk: await openDisk(path),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/** No two stores draw the same epoch. */
let opened = 0

/** Small and quiet: nothing is sealed by itself. */
export function storeOptions(disk: Disk, changes: Partial<StoreOptions> = {}): StoreOptions {
  return {
    disk,
    clock: new VirtualClock(),
    random: new SeededRandom(++opened),
    logger: new SilentLogger(),
    metrics: nullMetrics,
    node: "gateway-1",
    log: { fileBytes: 2 ** 20, maxDelayMs: 0, maxPendingBytes: 2 ** 24 },
    tables: { sealRows: 1_000_000, sealAgeMs: 3_600_000, applyIntervalMs: 100, memoryBytes: 2 ** 28 },
    segments: { mergeRows: 1_000_000, retention: {}, verifyBytes: 2 ** 30 },
    minFreeBytes: 0,
    whenFull: "reject",
    ...changes,
  }
}

export async function openOn(disk: Disk, changes: Partial<StoreOptions> = {}): Promise<NodeStore> {
  return openStore(storeOptions(disk, changes))
}

/** Rows of a statement; BIGINT and TIMESTAMP as numbers. */
export async function ask(store: NodeStore, sql: string): Promise<Record<string, unknown>[]> {
  await store.applied()
  const pin = await store.pin()
  const connection = await store.connect()
  try {
    const rows = (await connection.runAndReadAll(sql)).getRowObjects()
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])))
  } finally {
    connection.closeSync()
    pin.release()
  }
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value)
  if (typeof value === "object" && value !== null && "micros" in value) return Number(value.micros)
  return value
}

/** All of a view, as readings, by epoch and sequence. */
export async function readingsOf(store: NodeStore, view: "readings" | "latest" = "readings"): Promise<Reading[]> {
  return (await ask(store, `SELECT * FROM ${view} ORDER BY epoch, seq`)) as unknown as Reading[]
}

/** What a durable batch must look like in SQL. */
export function expectedOf(store: NodeStore, batch: ReadingBatch, firstSeq: number): Reading[] {
  const { node, epoch } = store
  return Array.from({ length: batch.length }, (_, row) => {
    const reading = batch.readingAt(row, { node, epoch, firstSeq })
    return { ...reading, json: reading.json === null ? null : wellFormedJson(reading.json) }
  })
}

/** The newest of each series, by time and then by sequence. */
export function latestOf(readings: readonly Reading[]): Reading[] {
  const newest = new Map<string, Reading>()
  for (const reading of readings) {
    const key = JSON.stringify([reading.device, reading.property, reading.tags])
    const known = newest.get(key)
    const isNewer =
      known === undefined || reading.time > known.time || (reading.time === known.time && reading.seq > known.seq)
    if (isNewer) newest.set(key, reading)
  }
  return [...newest.values()].sort((a, b) => (a.epoch === b.epoch ? a.seq - b.seq : a.epoch < b.epoch ? -1 : 1))
}

/** Appends and waits until it is durable. */
export async function store(target: NodeStore, batch: ReadingBatch): Promise<Reading[]> {
  const { seq, durable } = target.append(batch)
  await durable
  return expectedOf(target, batch, seq)
}
