/**
 * SQL of users, and lookups of the node itself, over the views `readings` and `latest`.
 *
 * - Q1 A statement of a user only reads what is offered: it is one SELECT whose tree has been checked (`check/`), in a
 *   DuckDB that reaches no file beside the segments and no network, and whose settings are locked.
 * - Q2 Everything is bounded: how many run and wait, time, memory, rows, bytes. The time limit counts from the arrival
 *   and while the caller reads, so that a slow caller keeps a slot no longer than a slow statement.
 * - Q3 A statement sees everything that was durable when it was accepted, and one state of the store from its first row
 *   to its last: it holds a pin until its answer has been read or given up.
 * - Q4 At most `maxRunning` + 3 threads of libuv's pool work here: statements, two lookups, one check. The rest are left
 *   to the log.
 * - Q5 What a statement took (slot, pin, connection) is given back when DuckDB has let go of it, not when its caller was
 *   told that it was stopped. So the limits hold for what really runs.
 *
 * It is not the store: it knows nothing of tables and segments. It keeps nothing between statements but idle
 * connections and the verdicts on statements that it has checked.
 */
import {
  type Clock,
  type Closeable,
  FogError,
  type Logger,
  type Metrics,
  type Query,
  type QueryAnswer,
  type QueryFormat,
  type QueryRequest,
  type Random,
} from "@brume/core"
import { createCheck } from "./check/check.ts"
import { Connections } from "./connections.ts"
import { createArrowEncoder } from "./encode/arrow.ts"
import { createCsvEncoder } from "./encode/csv.ts"
import type { CreateEncoder } from "./encode/encoder.ts"
import { createJsonEncoder } from "./encode/json.ts"
import { defaultLimits, lowered, type QueryLimits } from "./limits.ts"
import { createMeasures } from "./measures.ts"
import { bind, checkParameters } from "./parameters.ts"
import { Parser } from "./parser.ts"
import { Lookups } from "./rows.ts"
import { Slots } from "./slots.ts"
import type { QuerySource } from "./source.ts"
import { Statement, type Surroundings } from "./statement.ts"
import { MemoryWatch } from "./watch.ts"

export interface QueryOptions {
  readonly source: QuerySource
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  /** Resident memory of the process, bytes; without it, `maxResidentBytes` is not watched. */
  readonly residentBytes?: () => number
  /** @default {@link defaultLimits} */
  readonly limits?: Partial<QueryLimits>
}

/** Lookups of the node that run at once, and that wait. */
const lookupSlots = { most: 2, mostWaiting: 256 }
/** Longest time in which closing waits for DuckDB to let go of statements. */
const closeMs = 10_000

const encoders: Readonly<Record<QueryFormat, CreateEncoder>> = {
  json: createJsonEncoder,
  csv: createCsvEncoder,
  arrow: createArrowEncoder,
}

export function openQuery(options: QueryOptions): Query {
  return new QueryRoom(options)
}

class QueryRoom implements Query, Closeable {
  readonly #options: QueryOptions
  readonly #limits: QueryLimits
  readonly #around: Surroundings
  readonly #parser: Parser
  readonly #lookups: Lookups
  readonly #check = createCheck()
  readonly #statements = new Map<string, Statement>()
  #closed: Promise<void> | undefined

  constructor(options: QueryOptions) {
    const { source, clock, logger, metrics } = options
    const limits = { ...defaultLimits, ...options.limits }
    const { maxRunning, maxWaiting, maxResidentBytes } = limits
    const connections = new Connections(source, maxRunning + lookupSlots.most)
    const busy = () => busyFault(maxWaiting)
    const slots = new Slots({ most: maxRunning, mostWaiting: maxWaiting, busy })
    const residentBytes = options.residentBytes ?? (() => 0)
    this.#options = options
    this.#limits = limits
    this.#around = {
      source,
      connections,
      slots,
      watch: new MemoryWatch({ clock, logger, residentBytes, maxResidentBytes }),
      measures: createMeasures(metrics, { running: () => slots.taken, waiting: () => slots.waiting }),
      clock,
      logger,
    }
    // As many as may run and wait, so that nobody is turned away here who would find a place there.
    this.#parser = new Parser(connections, new Slots({ most: 1, mostWaiting: maxRunning + maxWaiting, busy }))
    this.#lookups = new Lookups({ source, connections, slots: new Slots({ ...lookupSlots, busy }), clock, logger })
  }

  async answer(request: QueryRequest): Promise<QueryAnswer> {
    this.#refuseWhenClosed()
    const { sql, parameters = [], format, maxRows, timeoutMs, signal } = request
    const id = `q-${Buffer.from(this.#options.random.bytes(8)).toString("hex")}`
    const statement = new Statement(
      {
        id,
        text: sql,
        timeoutMs: lowered("timeoutMs", timeoutMs, this.#limits.timeoutMs),
        maxRows: lowered("maxRows", maxRows, this.#limits.maxRows),
        maxBytes: this.#limits.maxBytes,
        ...(signal === undefined ? {} : { signal }),
        createEncoder: encoders[format],
        check: async (stop) => {
          const checked = await this.#check(sql, (select) => this.#parser.serialize(select, stop))
          checkParameters(parameters, checked)
          return { sql: checked.sql, bind: (prepared) => bind(prepared, parameters) }
        },
      },
      this.#around,
    )
    this.#statements.set(id, statement)
    return statement.answer(() => this.#statements.delete(id))
  }

  rows: Query["rows"] = async (sql, parameters = []) => {
    this.#refuseWhenClosed()
    return this.#lookups.rows(sql, parameters)
  }

  running() {
    return [...this.#statements.values()].map(({ id, sql, started, state }) => ({ id, sql, started, state }))
  }

  cancel(id: string): boolean {
    const statement = this.#statements.get(id)
    statement?.cancel()
    return statement !== undefined
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { clock, logger, connections } = this.#around
    const statements = [...this.#statements.values()]
    for (const { stop } of statements) stop.because(closedFault())
    const late = new Promise<"late">((resolve) => {
      clock.after(closeMs, () => resolve("late"))
    })
    const settled = this.#settle(statements)
    if ((await Promise.race([settled, late])) === "late") {
      logger.error("A statement does not end; its connection stays open", { running: this.#statements.size })
      return
    }
    connections.close()
  }

  async #settle(statements: readonly Statement[]): Promise<void> {
    await this.#lookups.close(closedFault())
    // A statement settles a moment after its pieces have ended.
    while (this.#statements.size > 0) await Promise.all([...statements.map(({ settled }) => settled), turn()])
    await this.#parser.close()
  }

  #refuseWhenClosed(): void {
    if (this.#closed !== undefined) throw closedFault()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function closedFault(): FogError {
  return new FogError("store_closed", { message: "The node is stopping", hint: "Ask again when it is back." })
}

function busyFault(limit: number): FogError {
  return new FogError("query_busy", {
    message: `${limit} statements wait already, which is the limit`,
    hint: "Send it again later, or raise query.maxWaiting.",
  })
}
