/** Windows on a store in memory, with DuckDB beside it: for what SQL says of the same readings. */
import type { Appended, KeyedRecord, QueryParameter, QueryRow, ReadingBatch } from "@brume/core"
import { batchOf, type FogError, type Reading, SeriesCache } from "@brume/core"
import { nullMetrics, SilentLogger, VirtualClock } from "@brume/testkit"
import { type DuckDBConnection, DuckDBInstance, DuckDBTimestampValue } from "@duckdb/node-api"
import type { WindowLimits } from "../../packages/node/src/rules/windows/limits.ts"
import { compileWindow } from "../../packages/node/src/rules/windows/window-plan.ts"
import type { WindowResult } from "../../packages/node/src/rules/windows/window-result.ts"
import type { WindowSpec } from "../../packages/node/src/rules/windows/window-spec.ts"
import type { Windowed } from "../../packages/node/src/rules/windows/windowed.ts"
import { openWindows, type Windows } from "../../packages/node/src/rules/windows/windows.ts"
import { MemoryStore } from "./memory-store.ts"

/** Stamps what it takes in with a clock, as the log does, and refuses where a test says so. */
export class ClockedStore extends MemoryStore {
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    super()
    this.#clock = clock
  }

  override append(batch: ReadingBatch, records: readonly KeyedRecord[] = []): Appended {
    batch.received = this.#clock.now()
    return super.append(batch, records)
  }
}

export async function openDuckDb(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" })
  return instance.connect()
}

export interface RigReading extends Partial<Reading> {
  readonly device: string
  readonly time: number
}

export function windowed(name: string, spec: WindowSpec, filter: Partial<Windowed["filter"]> = {}): Windowed {
  const { plan, mistakes } = compileWindow(spec)
  if (plan === undefined) throw new Error(JSON.stringify(mistakes))
  return { name, filter: { device: "#", property: "#", ...filter }, plan }
}

export class WindowsRig {
  readonly clock = new VirtualClock()
  readonly store: ClockedStore
  readonly logger = new SilentLogger()
  readonly told: WindowResult[] = []
  /** While set, commits are refused with it. */
  refusal: FogError | undefined
  /** Hears each result that is told, before its commit. */
  onTell: (results: readonly WindowResult[]) => Promise<void> = async () => {}
  windows: Windows
  readonly #connection: DuckDBConnection
  readonly #cache = new SeriesCache()
  readonly #limits: Partial<WindowLimits>
  #inTable = 0
  #asking = 0

  private constructor(connection: DuckDBConnection, limits: Partial<WindowLimits>) {
    this.#connection = connection
    this.#limits = limits
    this.store = new ClockedStore(this.clock)
    this.windows = this.#open()
  }

  static async open(connection: DuckDBConnection, limits: Partial<WindowLimits> = {}): Promise<WindowsRig> {
    await connection.run(`CREATE OR REPLACE TABLE readings (time TIMESTAMP, received TIMESTAMP, device VARCHAR,
      property VARCHAR, value DOUBLE, text VARCHAR, epoch VARCHAR, seq BIGINT)`)
    return new WindowsRig(connection, limits)
  }

  /** As after a crash: what was in memory is gone. Rules have to be set again. */
  async crash(): Promise<void> {
    await this.windows.close()
    this.windows = this.#open()
  }

  /** Moves time on, and waits for what was asked of DuckDB meanwhile. */
  async run(durationMs: number): Promise<void> {
    for (let left = durationMs; left > 0; left -= stepMs) {
      await this.clock.run(Math.min(left, stepMs))
      await this.settle()
    }
  }

  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (this.#asking > 0) quiet = 0
    }
  }

  append(readings: readonly RigReading[]): Appended {
    return this.store.append(batchOf(readings, this.#cache))
  }

  /** SQL over what is stored; BIGINT and TIMESTAMP as numbers. */
  async rows(sql: string, parameters: readonly QueryParameter[] = []): Promise<QueryRow[]> {
    this.#asking++
    try {
      await this.#fill()
      const rows = (await this.#connection.runAndReadAll(sql, [...parameters])).getRowObjects()
      return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])))
    } finally {
      this.#asking--
    }
  }

  #open(): Windows {
    return openWindows({
      store: this.store,
      query: { rows: (sql, parameters) => this.rows(sql, parameters) },
      clock: this.clock,
      logger: this.logger,
      metrics: nullMetrics,
      limits: this.#limits,
      tell: async (results, records) => {
        if (this.refusal !== undefined) throw this.refusal
        await this.onTell(results)
        const { durable } = this.store.put(records)
        this.told.push(...results)
        await durable
      },
    })
  }

  async #fill(): Promise<void> {
    const added = this.store.readings.slice(this.#inTable)
    this.#inTable = this.store.readings.length
    if (added.length === 0) return
    const appender = await this.#connection.createAppender("readings")
    for (const { time, received, device, property, value, text, epoch, seq } of added) {
      appender.appendTimestamp(new DuckDBTimestampValue(BigInt(time)))
      appender.appendTimestamp(new DuckDBTimestampValue(BigInt(received)))
      appender.appendVarchar(device)
      appender.appendVarchar(property)
      if (value === null) appender.appendNull()
      else appender.appendDouble(value)
      if (text === null) appender.appendNull()
      else appender.appendVarchar(text)
      appender.appendVarchar(epoch)
      appender.appendBigInt(BigInt(seq))
      appender.endRow()
    }
    appender.closeSync()
  }
}

const stepMs = 500

function plain(value: unknown): QueryRow[string] {
  if (typeof value === "bigint") return Number(value)
  if (typeof value === "object" && value !== null && "micros" in value) return Number(value.micros)
  return value as QueryRow[string]
}
