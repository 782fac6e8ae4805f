/** A1 while generations are sealed and segments merged: every query counts every applied reading once. */
import type { Reading } from "@brume/core"
import { SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import type { DuckDBConnection } from "@duckdb/node-api"
import { expect, test } from "vitest"
import { emptyFolder, latestOf, openOn, store as put, readingsOf } from "../../../../test/rig/open-store.ts"
import { RandomReadings } from "../../../../test/rig/random-readings.ts"
import type { NodeStore } from "./store.ts"

const seeds = process.env.BRUME_LONG === undefined ? 2 : 100

/** What was stored, as far as queries must see it. */
class Known {
  readonly readings: Reading[] = []
  readonly #series = new Set<string>()
  #sums = { last: -1, count: 0, seqs: 0, numbers: 0, series: 0 }

  add(readings: readonly Reading[]): void {
    this.readings.push(...readings)
    for (const { device, property, tags } of readings) this.#series.add(JSON.stringify([device, property, tags]))
    this.#sums = {
      last: readings.at(-1)?.seq ?? this.#sums.last,
      count: this.readings.length,
      seqs: readings.reduce((sum, { seq }) => sum + seq, this.#sums.seqs),
      numbers: readings.reduce((sum, { value }) => sum + (value === null ? 0 : 1), this.#sums.numbers),
      series: this.#series.size,
    }
  }

  get sums(): { last: number; count: number; seqs: number; numbers: number; series: number } {
    return this.#sums
  }
}

/** Counts over and over until it is told to stop; every answer must be exact. */
async function countUntil(store: NodeStore, known: Known, isOver: () => boolean): Promise<number> {
  const connection = await store.connect()
  let counted = 0
  try {
    while (!isOver()) counted += await countOnce(store, connection, known)
  } finally {
    connection.closeSync()
  }
  return counted
}

async function countOnce(store: NodeStore, connection: DuckDBConnection, known: Known): Promise<number> {
  await store.applied()
  const { last, series, ...expected } = known.sums
  const pin = await store.pin()
  try {
    const sql = `SELECT count(*), count(DISTINCT seq), sum(seq), count(value) FROM readings WHERE seq <= ${last}`
    const [row = []] = (await connection.runAndReadAll(sql)).getRows()
    const [count, distinct, seqs, numbers] = row.map(Number)
    expect({ count, seqs, numbers }).toEqual(expected)
    expect(distinct).toBe(count)
    const [latest] = (await connection.runAndReadAll("SELECT count(*) FROM latest")).getRows()
    expect(Number(latest?.[0])).toBeGreaterThanOrEqual(series)
    return 1
  } finally {
    pin.release()
  }
}

test.each(Array.from({ length: seeds }, (_, i) => i + 1))(
  "counting goes on while everything is moved, seed %i",
  async (seed) => {
    await using folder = await emptyFolder()
    const random = new SeededRandom(seed)
    const readings = new RandomReadings(random)
    const clock = new VirtualClock()
    const logger = new SilentLogger()
    const known = new Known()
    await using store = await openOn(folder.disk, { clock, logger })
    let isOver = false
    const counting = [1, 2].map(() => countUntil(store, known, () => isOver))
    for (let step = 0; step < 24; step++) {
      const stored = await put(store, readings.batch(random.pick([3, 50, 500])))
      known.add(stored)
      if (random.chance(0.7)) await store.seal()
      // Upkeep looks for something to merge.
      if (random.chance(0.4)) clock.advance(1_000)
    }
    isOver = true
    for (const count of await Promise.all(counting)) expect(count).toBeGreaterThan(3)
    clock.advance(1_000)
    await store.seal()
    expect(logger.messages("debug")).toEqual(expect.arrayContaining(["sealed a segment", "merged segments"]))
    expect(logger.messages("warn")).toEqual([])
    expect(await readingsOf(store)).toEqual(known.readings)
    expect(await readingsOf(store, "latest")).toEqual(latestOf(known.readings))
  },
)
