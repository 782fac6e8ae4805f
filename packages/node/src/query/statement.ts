import {
  type CancelSignal,
  type Clock,
  FogError,
  isFogError,
  type Logger,
  type QueryAnswer,
  type RunningQuery,
} from "@brume/core"
import type { DuckDBPreparedStatement } from "@duckdb/node-api"
import { piecesOf } from "./answer.ts"
import { Body } from "./body.ts"
import type { Connections } from "./connections.ts"
import type { CreateEncoder } from "./encode/encoder.ts"
import { type GiveBack, giveAllBack } from "./give-back.ts"
import type { Measures } from "./measures.ts"
import { Run } from "./run.ts"
import type { Slots } from "./slots.ts"
import type { QuerySource } from "./source.ts"
import { Stop } from "./stop.ts"
import type { MemoryWatch } from "./watch.ts"

/** What all statements of a node share. */
export interface Surroundings {
  readonly source: QuerySource
  readonly connections: Connections
  readonly slots: Slots
  readonly watch: MemoryWatch
  readonly measures: Measures
  readonly clock: Clock
  readonly logger: Logger
}

export interface StatementOptions {
  readonly id: string
  /** As it came. */
  readonly text: string
  readonly timeoutMs: number
  readonly maxRows: number
  readonly maxBytes: number
  readonly signal?: CancelSignal
  readonly createEncoder: CreateEncoder
  /** Checks the statement and its parameters. */
  readonly check: (stop: Stop) => Promise<Ready>
}

/** A statement that may run. */
export interface Ready {
  readonly sql: string
  readonly bind: (prepared: DuckDBPreparedStatement) => void
}

/** Bytes that are encoded before the answer begins: what goes wrong until then is an error with a status of its own. */
const firstBytes = 1_048_576

/** A statement of a user, from its arrival until nothing of it is left. */
export class Statement implements RunningQuery {
  readonly id: string
  readonly sql: string
  readonly started: number
  state: "waiting" | "running" = "waiting"
  readonly stop = new Stop()
  readonly #options: StatementOptions
  readonly #around: Surroundings
  readonly #startedMs: number
  #contentType = ""
  #error: unknown
  #settled: Promise<void> = Promise.resolve()

  constructor(options: StatementOptions, around: Surroundings) {
    this.#options = options
    this.#around = around
    this.id = options.id
    this.sql = options.text
    this.started = around.clock.now()
    this.#startedMs = around.clock.monotonic()
  }

  /** Settles when the statement has given back everything, which may be later than the end of its answer. */
  get settled(): Promise<void> {
    return this.#settled
  }

  cancel(): void {
    this.stop.because(
      new FogError("query_cancelled", { message: `The statement ${this.id} was cancelled`, hint: "Send it again." }),
    )
  }

  /** @param left called once, when nothing of the statement is left. */
  async answer(left: () => void): Promise<QueryAnswer> {
    const { timeoutMs, signal } = this.#options
    const timer = this.#around.clock.after(timeoutMs, () => this.stop.because(this.#timeout()))
    const cancel = () => this.cancel()
    if (signal?.aborted === true) this.cancel()
    signal?.addEventListener("abort", cancel)
    const pieces = this.#pieces(() => {
      timer.cancel()
      signal?.removeEventListener("abort", cancel)
      this.#around.measures.ended(this.#around.clock.monotonic() - this.#startedMs, this.#error)
      left()
    })
    const ready: Uint8Array[] = []
    for (let bytes = 0; bytes < firstBytes; ) {
      const { done, value } = await pieces.next()
      if (done === true) return this.#answerOf(ready)
      ready.push(value)
      bytes += value.length
    }
    this.stop.onStop(() => void pieces.return().catch(() => {}))
    return this.#answerOf(ready, pieces)
  }

  #answerOf(ready: Uint8Array[], rest?: AsyncGenerator<Uint8Array, void, undefined>): QueryAnswer {
    const body = new Body({ ready, rest, stop: this.stop, abandon: () => this.cancel() })
    return { id: this.id, contentType: this.#contentType, body }
  }

  /** Everything that is taken here is given back when the pieces end, by whichever way. */
  async *#pieces(left: () => void): AsyncGenerator<Uint8Array, void, undefined> {
    const giveBack: GiveBack[] = [left]
    try {
      yield* this.#run(giveBack)
    } catch (error) {
      this.#error = error
      if (!isFogError(error) || error.code === "internal") {
        this.#around.logger.error("A statement failed by a fault of ours", { id: this.id, sql: this.sql, error })
      }
      throw error
    } finally {
      this.#error ??= this.stop.fault
      this.#settled = giveAllBack(giveBack, this.#around.logger)
    }
  }

  async *#run(giveBack: GiveBack[]): AsyncGenerator<Uint8Array, void, undefined> {
    const { stop } = this
    const { check, createEncoder, maxRows, maxBytes, id } = this.#options
    const { source, connections, slots, watch, measures, clock, logger } = this.#around
    const { sql, bind } = await stop.race(check(stop))
    giveBack.push(await slots.take(stop))
    this.state = "running"
    giveBack.push(watch.add(stop))
    await stop.race(source.applied())
    const pin = await source.pin()
    giveBack.push(() => pin.release())
    const connection = await connections.take()
    const run = new Run({ connection, sql, bind, stop, clock, logger })
    giveBack.push(async () => connections.give(connection, await run.end()))
    const encoder = await createEncoder({ id, columns: await run.start() })
    this.#contentType = encoder.contentType
    const done = (rowCount: number) => measures.rows.add(rowCount)
    yield* piecesOf({ encoder, next: () => run.next(), maxRows, maxBytes, done })
  }

  #timeout(): FogError {
    const { timeoutMs } = this.#options
    if (this.state === "waiting") {
      return new FogError("query_busy", {
        message: `The statement waited ${timeoutMs} ms for its turn, which is its time limit`,
        hint: "Send it again later, or cancel one of those that run: GET /v1/queries.",
      })
    }
    return new FogError("query_timeout", {
      message: `The statement was stopped at its time limit of ${timeoutMs} ms`,
      hint: "Ask for a shorter time or fewer series, read the answer faster, or raise query.timeoutMs.",
      details: { timeoutMs },
    })
  }
}
