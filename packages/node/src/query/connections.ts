import { FogError } from "@brume/core"
import type { DuckDBConnection } from "@duckdb/node-api"
import type { QuerySource } from "./source.ts"

/** What the sandbox rests on, besides the check of each statement. */
const expectedSettings = {
  enable_external_access: "false",
  lock_configuration: "true",
  autoload_known_extensions: "false",
  TimeZone: "UTC",
} as const

/**
 * Connections that wait for their next statement. A checked statement only reads, so that a connection keeps nothing
 * of it: no variables, no temporary tables, no settings. One whose statement did not end well is closed.
 */
export class Connections {
  readonly #source: Pick<QuerySource, "connect">
  readonly #idle: DuckDBConnection[] = []
  /** Most that stay open while they have nothing to do. */
  readonly #mostIdle: number
  #closed = false

  constructor(source: Pick<QuerySource, "connect">, mostIdle: number) {
    this.#source = source
    this.#mostIdle = mostIdle
  }

  async take(): Promise<DuckDBConnection> {
    return this.#idle.pop() ?? (await this.#connect())
  }

  give(connection: DuckDBConnection, isClean: boolean): void {
    if (isClean && !this.#closed && this.#idle.length < this.#mostIdle) this.#idle.push(connection)
    else connection.closeSync()
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#idle.splice(0)) connection.closeSync()
  }

  async #connect(): Promise<DuckDBConnection> {
    const connection = await this.#source.connect()
    const names = Object.keys(expectedSettings)
    const settings = names.map((name) => `current_setting('${name}')::VARCHAR`).join(", ")
    const [found] = (await connection.runAndReadAll(`SELECT ${settings}`)).getRows()
    const wrong = names.filter(
      (name, at) => String(found?.[at]) !== expectedSettings[name as keyof typeof expectedSettings],
    )
    if (wrong.length === 0) return connection
    connection.closeSync()
    throw new FogError("internal", {
      message: `SQL is not sandboxed: ${wrong.join(", ")} of DuckDB is set differently`,
    })
  }
}
