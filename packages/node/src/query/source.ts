import type { DuckDBConnection } from "@duckdb/node-api"

/** What SQL runs on. */
export interface QuerySource {
  /** A connection to a DuckDB that has the views `readings` and `latest`, its sandbox and limits set and locked. */
  connect(): Promise<DuckDBConnection>
  /** Keeps the files of now until it is released. */
  pin(): Promise<{ release(): void }>
  /** Everything that was durable at the call is visible to SQL when it resolves. */
  applied(): Promise<void>
}
