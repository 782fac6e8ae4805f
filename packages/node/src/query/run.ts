/**
 * One statement on one connection.
 *
 * - R1 A stop is felt at once by whoever waits, and by DuckDB as soon as it looks: it forgets an interrupt that comes
 *   before a statement runs, so that the interrupt is repeated until the call under way has ended.
 * - R2 The connection is free again only when no call is under way on it, and none begins after {@link Run.end} did: a
 *   call on what was destroyed meanwhile would end the process.
 * - R3 A result counts as complete only when DuckDB says so: one that failed on the way ends like one that is done.
 */
import { type Clock, FogError, type Logger } from "@brume/core"
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  StatementType,
} from "@duckdb/node-api"
import { type Column, columnsOf, isComplete } from "./encode/columns.ts"
import { faultOf } from "./faults.ts"
import type { Stop } from "./stop.ts"

export interface RunOptions {
  readonly connection: DuckDBConnection
  readonly sql: string
  /** Puts the values of the parameters in. */
  readonly bind: (prepared: DuckDBPreparedStatement) => void
  readonly stop: Stop
  readonly clock: Clock
  readonly logger: Logger
}

/** Time between two interrupts. */
const interruptMs = 20
/** A statement that goes on for so long after it was stopped is worth a line in the log. */
const stubbornMs = 5_000

export class Run {
  readonly #options: RunOptions
  readonly #forget: () => void
  #prepared: DuckDBPreparedStatement | undefined
  #result: DuckDBResult | undefined
  /** Settles when the call under way has ended; undefined while there is none. */
  #inFlight: Promise<void> | undefined
  #isDone = false
  #isEnding = false

  constructor(options: RunOptions) {
    this.#options = options
    this.#forget = options.stop.onStop(() => this.#interrupt(0))
  }

  /** Plans and starts the statement. */
  async start(): Promise<readonly Column[]> {
    const { connection, sql, bind } = this.#options
    const prepared = await this.#call(
      () => connection.prepare(sql),
      (late) => late.destroySync(),
    )
    this.#prepared = prepared
    const { statementType } = prepared
    if (statementType !== StatementType.SELECT && statementType !== StatementType.EXPLAIN) {
      throw new FogError("query_refused", {
        message: "The statement is no SELECT",
        hint: "Write a plain SELECT over readings and latest.",
      })
    }
    try {
      bind(prepared)
    } catch (error) {
      throw faultOf(error, sql)
    }
    this.#result = await this.#call(() => prepared.stream(), drain)
    return columnsOf(this.#result)
  }

  /** The next rows, or undefined after the last. */
  async next(): Promise<DuckDBDataChunk | undefined> {
    const result = this.#result!
    const chunk = await this.#call(() => result.fetchChunk())
    if (chunk !== null && chunk.rowCount > 0) return chunk
    this.#options.stop.check()
    if (!isComplete(result)) throw await this.#reason()
    this.#isDone = true
    return undefined
  }

  /** Leaves the connection without anything under way; false when it should not be used again. */
  async end(): Promise<boolean> {
    this.#isEnding = true
    if (!this.#isDone) this.#interrupt(0)
    await this.#inFlight
    if (!this.#isDone && this.#result !== undefined) {
      // What the statement holds is freed by a call on a thread of the pool, instead of on this one.
      this.#track(drain(this.#result))
      this.#interrupt(0)
      await this.#inFlight
    }
    this.#forget()
    this.#prepared?.destroySync()
    return this.#isDone
  }

  /** DuckDB does not keep why a result broke off: running the statement again tells, because it fails again. */
  async #reason(): Promise<FogError> {
    try {
      await this.#call(() => this.#prepared!.run())
    } catch (error) {
      return error as FogError
    }
    return new FogError("internal", { message: "A result broke off, and the statement ran well when it was repeated" })
  }

  /** @param late what to do with a result that nobody waits for any more. */
  async #call<T>(begin: () => Promise<T>, late?: (result: T) => unknown): Promise<T> {
    const { stop, sql } = this.#options
    stop.check()
    // Who asked for more rows in advance does not wait for them any more.
    if (this.#isEnding) throw new FogError("query_cancelled", { message: "The statement has ended" })
    const work = begin()
    this.#track(work.then((result) => (stop.fault === undefined ? undefined : late?.(result))))
    try {
      return await stop.race(work)
    } catch (error) {
      throw error === stop.fault ? error : faultOf(error, sql)
    }
  }

  #track(work: Promise<unknown>): void {
    const settled = work.then(
      () => {},
      () => {},
    )
    this.#inFlight = settled
    void settled.then(() => {
      if (this.#inFlight === settled) this.#inFlight = undefined
    })
  }

  /** R1 */
  #interrupt(elapsedMs: number): void {
    const { connection, clock, logger, sql } = this.#options
    if (this.#inFlight === undefined) return
    connection.interrupt()
    if (elapsedMs === stubbornMs) logger.warn("A statement goes on although it was stopped", { sql })
    clock.after(interruptMs, () => this.#interrupt(elapsedMs + interruptMs))
  }
}

/** What an interrupted statement has left: the rows that it had made ahead, then its end. */
async function drain(result: DuckDBResult): Promise<void> {
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; ) chunk = await result.fetchChunk()
}
