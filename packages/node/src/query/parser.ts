import type { DuckDBConnection, DuckDBPreparedStatement } from "@duckdb/node-api"
import type { Connections } from "./connections.ts"
import { faultOf } from "./faults.ts"
import type { Slots } from "./slots.ts"
import type { Stop } from "./stop.ts"

interface Session {
  readonly connection: DuckDBConnection
  readonly prepared: DuckDBPreparedStatement
}

/** Lets DuckDB parse statements, one after the other, on a connection of its own. */
export class Parser {
  readonly #connections: Connections
  /** One slot. */
  readonly #slots: Slots
  #session: Promise<Session> | undefined
  /** Settles when DuckDB has let go of the statement that it parses, also when nobody waits for it any more. */
  #underWay: Promise<unknown> = Promise.resolve()

  constructor(connections: Connections, slots: Slots) {
    this.#connections = connections
    this.#slots = slots
  }

  /** The tree of a SELECT as JSON, or DuckDB's verdict on what is none. */
  async serialize(sql: string, stop: Stop): Promise<string> {
    const release = await this.#slots.take(stop)
    const work = this.#serialize(sql).finally(release)
    this.#underWay = work.catch(() => {})
    return stop.race(work)
  }

  async close(): Promise<void> {
    await this.#underWay
    await this.#end()
  }

  /** Nothing may be under way: DuckDB would read what was freed. */
  async #end(): Promise<void> {
    const session = await this.#session?.catch(() => undefined)
    this.#session = undefined
    session?.prepared.destroySync()
    if (session !== undefined) this.#connections.give(session.connection, false)
  }

  async #serialize(sql: string): Promise<string> {
    this.#session ??= this.#open()
    try {
      const { prepared } = await this.#session
      prepared.bindVarchar(1, sql)
      const chunk = await (await prepared.run()).fetchChunk()
      return chunk!.getColumnVector(0).getItem(0) as string
    } catch (error) {
      // What failed once, as by lack of memory, starts anew.
      await this.#end()
      throw faultOf(error, sql)
    }
  }

  async #open(): Promise<Session> {
    const connection = await this.#connections.take()
    return { connection, prepared: await connection.prepare("SELECT json_serialize_sql($1::VARCHAR)") }
  }
}
