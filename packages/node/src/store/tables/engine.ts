/**
 * DuckDB, in memory and in its sandbox: one instance with the views `readings` and `latest`, for Brume's own statements
 * and for those of users.
 *
 * - One thread: a statement runs on the thread of libuv's pool that started it and on no other, so that the pool's size
 *   bounds what SQL may take; and rows keep the order in which a sort left them, which sealing relies on.
 * - It reaches `segments/` and `tmp/` of the data folder and no other file, loads no extension, and its settings are
 *   locked. Which statements users may run is decided elsewhere.
 * - `now()` and `current_timestamp` are TIMESTAMP in UTC like the column `time`. DuckDB's own have a time zone, and a
 *   filter with them would convert every row instead of skipping whole files.
 */

import { type Closeable, type Disk, FogError } from "@brume/core"
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"
import duckdb, { type Appender } from "@duckdb/node-bindings"

export interface EngineOptions {
  readonly disk: Disk
  /** Limit of everything that DuckDB holds: tables, sealing, merging and all queries together. */
  readonly memoryBytes: number
  /** Limit of what it may write to `tmp/` when memory is short. */
  readonly tempBytes: number
}

export interface Engine extends Closeable {
  /** A connection for statements of others. Close it before the engine. */
  connect(): Promise<DuckDBConnection>
  /** A connection for our own statements, one after the other. */
  session(): Promise<Session>
  /** Writes into a table from this thread; commits when it is flushed. */
  appender(table: string): Appender
}

export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { disk, memoryBytes, tempBytes } = options
  const config = duckdb.create_config()
  const settings: Record<string, string> = {
    threads: "1",
    memory_limit: `${memoryBytes}B`,
    temp_directory: disk.absolute("tmp"),
    max_temp_directory_size: `${tempBytes}B`,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    allow_persistent_secrets: "false",
  }
  for (const [name, value] of Object.entries(settings)) duckdb.set_config(config, name, value)
  const database = await duckdb.open(":memory:", config)
  const instance = new DuckDBInstance(database)
  const first = await instance.connect()
  const folders = ["segments", "tmp"].map((folder) => quoted(`${disk.absolute(folder)}/`))
  for (const sql of [
    "SET GLOBAL TimeZone = 'UTC'",
    // The writer of a segment and its readers are this process: a footer is read once.
    "SET GLOBAL parquet_metadata_cache = true",
    // Give memory back after sealing and merging.
    "SET GLOBAL allocator_flush_threshold = '1MiB'",
    "SET GLOBAL allocator_bulk_deallocation_flush_threshold = '1MiB'",
    "CREATE MACRO now() AS current_localtimestamp()",
    "CREATE MACRO get_current_timestamp() AS current_localtimestamp()",
    `SET GLOBAL allowed_directories = [${folders.join(", ")}]`,
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
  ]) {
    await first.run(sql)
  }
  first.closeSync()
  const feed = await duckdb.connect(database)
  return new MemoryEngine(instance, feed)
}

class MemoryEngine implements Engine {
  readonly #instance: DuckDBInstance
  /** Used from this thread alone and only for appending, so that it never waits for a statement. */
  readonly #feed: duckdb.Connection
  readonly #sessions: Session[] = []
  #closed: Promise<void> | undefined

  constructor(instance: DuckDBInstance, feed: duckdb.Connection) {
    this.#instance = instance
    this.#feed = feed
  }

  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect()
  }

  async session(): Promise<Session> {
    const session = new Session(await this.#instance.connect())
    this.#sessions.push(session)
    return session
  }

  appender(table: string): Appender {
    return duckdb.appender_create(this.#feed, "main", table)
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      for (const session of this.#sessions) await session.close()
      duckdb.disconnect_sync(this.#feed)
      this.#instance.closeSync()
    })()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Statements one after the other: a connection that is busy would block a thread of the pool. */
export class Session {
  readonly #connection: DuckDBConnection
  #last: Promise<unknown> = Promise.resolve()
  #isStopped = false
  #closed = false

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /** Rows as arrays; BIGINT as bigint, TIMESTAMP as DuckDB's value. */
  rows(sql: string): Promise<unknown[][]> {
    return this.#after(async () => (await this.#connection.runAndReadAll(sql)).getRows())
  }

  async run(...statements: readonly string[]): Promise<void> {
    await this.#after(async () => {
      for (const sql of statements) await this.#connection.run(sql)
    })
  }

  /** All or nothing. */
  async transaction(...statements: readonly string[]): Promise<void> {
    await this.#after(async () => {
      await this.#connection.run("BEGIN")
      try {
        for (const sql of statements) await this.#connection.run(sql)
        await this.#connection.run("COMMIT")
      } catch (error) {
        // A failed commit has ended the transaction already.
        await this.#connection.run("ROLLBACK").catch(() => {})
        throw error
      }
    })
  }

  /** Makes the running statement fail, if there is one. */
  interrupt(): void {
    if (!this.#closed) this.#connection.interrupt()
  }

  /** Makes the running statement fail, and all that wait or come. */
  async stop(): Promise<void> {
    this.#isStopped = true
    let isRunning = true
    void this.#last.finally(() => {
      isRunning = false
    })
    // An interrupt that comes while a statement is planned is forgotten when it begins.
    while (isRunning) {
      this.interrupt()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  async close(): Promise<void> {
    await this.#last
    if (this.#closed) return
    this.#closed = true
    this.#connection.closeSync()
  }

  #after<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (this.#isStopped) throw new FogError("store_closed", { message: "The store is closing" })
      return call()
    })
    this.#last = result.catch(() => {})
    return result
  }
}

/** A SQL string literal. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
