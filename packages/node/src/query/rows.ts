/** Statements that Brume itself wrote. They are not checked, and have slots of their own: users cannot starve them. */
import { type Clock, FogError, type Logger, type QueryParameter, type QueryRow } from "@brume/core"
import {
  type DuckDBDataChunk,
  type DuckDBTimestampTZValue,
  type DuckDBTimestampValue,
  DuckDBTypeId,
  type DuckDBValue,
} from "@duckdb/node-api"
import type { Connections } from "./connections.ts"
import type { Column } from "./encode/columns.ts"
import { readerOf } from "./encode/reader.ts"
import { isSafe, shapeOf } from "./encode/shape.ts"
import { type GiveBack, giveAllBack } from "./give-back.ts"
import { bind } from "./parameters.ts"
import { Run } from "./run.ts"
import type { Slots } from "./slots.ts"
import type { QuerySource } from "./source.ts"
import { Stop } from "./stop.ts"

export interface LookupsOptions {
  readonly source: QuerySource
  readonly connections: Connections
  readonly slots: Slots
  readonly clock: Clock
  readonly logger: Logger
}

/** Longest time of a lookup, waiting included. */
const timeoutMs = 10_000
/** Most rows of a lookup. */
const maxRows = 100_000

export class Lookups {
  readonly #options: LookupsOptions
  readonly #stops = new Set<Stop>()
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: LookupsOptions) {
    this.#options = options
  }

  async rows(sql: string, parameters: readonly QueryParameter[]): Promise<QueryRow[]> {
    const stop = new Stop()
    this.#stops.add(stop)
    const timer = this.#options.clock.after(timeoutMs, () => {
      stop.because(
        new FogError("query_timeout", {
          message: `A lookup of the node was stopped at its time limit of ${timeoutMs} ms`,
          hint: "Try again later.",
        }),
      )
    })
    const giveBack: GiveBack[] = [() => this.#stops.delete(stop), () => timer.cancel()]
    try {
      return await this.#run(sql, parameters, { stop, giveBack })
    } finally {
      const settled = giveAllBack(giveBack, this.#options.logger)
      this.#underWay.add(settled)
      void settled.then(() => this.#underWay.delete(settled))
    }
  }

  /** Stops what is under way and waits until nothing of it is left. */
  async close(fault: FogError): Promise<void> {
    for (const stop of this.#stops) stop.because(fault)
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  async #run(
    sql: string,
    parameters: readonly QueryParameter[],
    { stop, giveBack }: { readonly stop: Stop; readonly giveBack: GiveBack[] },
  ): Promise<QueryRow[]> {
    const { source, connections, slots, clock, logger } = this.#options
    giveBack.push(await slots.take(stop))
    await stop.race(source.applied())
    const pin = await source.pin()
    giveBack.push(() => pin.release())
    const connection = await connections.take()
    const run = new Run({ connection, sql, bind: (prepared) => bind(prepared, parameters), stop, clock, logger })
    giveBack.push(async () => connections.give(connection, await run.end()))
    const columns = await run.start()
    const rows: QueryRow[] = []
    for (let chunk = await run.next(); chunk !== undefined; chunk = await run.next()) {
      addRows(rows, columns, chunk)
      if (rows.length > maxRows) {
        throw new FogError("internal", { message: `A lookup has more than ${maxRows} rows: ${sql}` })
      }
    }
    return rows
  }
}

function addRows(rows: QueryRow[], columns: readonly Column[], chunk: DuckDBDataChunk): void {
  const first = rows.length
  for (let row = 0; row < chunk.rowCount; row++) rows.push({})
  for (const [at, column] of columns.entries()) {
    const read = readerOf(chunk.getColumnVector(at))
    const plain = plainOf(column)
    for (let row = 0; row < chunk.rowCount; row++) {
      const value = read(row)
      const into = rows[first + row] as Record<string, QueryRow[string]>
      into[column.name] = value === null ? null : plain(value)
    }
  }
}

type Plain = (value: NonNullable<DuckDBValue>) => QueryRow[string]

/** Times are µs since 1970 as numbers, integers beyond 2^53 are strings, lists and the like are JSON. */
function plainOf({ name, type }: Column): Plain {
  switch (type.typeId) {
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return (value) =>
        typeof value === "number" ? value : Number((value as DuckDBTimestampValue | DuckDBTimestampTZValue).micros)
    case DuckDBTypeId.DOUBLE:
    case DuckDBTypeId.FLOAT:
      return (value) => (Number.isFinite(value) ? (value as number) : null)
    default: {
      const { text } = shapeOf(type, name)
      return (value) => {
        if (typeof value === "bigint") return isSafe(value) ? Number(value) : String(value)
        return typeof value === "object" ? text(value) : (value as QueryRow[string])
      }
    }
  }
}
