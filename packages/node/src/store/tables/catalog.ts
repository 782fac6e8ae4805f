/**
 * Which files and tables the views `readings` and `latest` are made of. Every change is one transaction of DuckDB, so
 * that each query sees the sources of before or those of after, and counts every row once.
 */
import type { Disk } from "@brume/core"
import { columnList, generationLatest, generationRows, newestOf, noRows } from "./columns.ts"
import { quoted, type Session } from "./engine.ts"

export interface Sources {
  /** Segment files, below the data folder. */
  readonly segments: readonly string[]
  /** More of them, scanned apart. */
  readonly archive: Archive | undefined
  /** The file with the newest sealed row of each series. */
  readonly latest: string | undefined
  /** Numbers of the generations. */
  readonly generations: readonly number[]
}

export interface Archive {
  readonly segments: readonly string[]
  /** No reading in them is later, µs since 1970 UTC. */
  readonly maxTime: number
}

export interface SourcesChange {
  readonly edit: (sources: Sources) => Sources
  /** Statements of the same transaction, before and after the views are replaced. */
  readonly before?: readonly string[]
  readonly after?: readonly string[]
}

/**
 * Holds for every row. Beside a user's condition on time it makes DuckDB look at the conditions on device and property
 * first, in every row group: it takes a lone comparison of integers for the cheapest and would decode all times before
 * it drops the rows of all other devices. The price is that a query without any condition decodes the times.
 */
const devicesFirst = "WHERE time IS NOT NULL"

export class Catalog {
  readonly #disk: Disk
  readonly #session: Session
  #sources: Sources = { segments: [], archive: undefined, latest: undefined, generations: [] }
  #last: Promise<unknown> = Promise.resolve()

  /** @param session for this alone: its statements are short and must not wait for long ones. */
  constructor(disk: Disk, session: Session) {
    this.#disk = disk
    this.#session = session
  }

  get sources(): Sources {
    return this.#sources
  }

  /** Changes come into force one after the other, whole or not at all. */
  change(change: SourcesChange): Promise<void> {
    const result = this.#last.then(async () => {
      const next = change.edit(this.#sources)
      await this.#session.transaction(...(change.before ?? []), ...this.#views(next), ...(change.after ?? []))
      this.#sources = next
    })
    this.#last = result.catch(() => {})
    return result
  }

  #views({ segments, archive, latest, generations }: Sources): string[] {
    const readings = generations.map(generationRows)
    if (segments.length > 0) readings.unshift(`SELECT ${columnList} FROM ${this.files(segments)} ${devicesFirst}`)
    if (archive !== undefined) {
      readings.unshift(`SELECT ${columnList} FROM ${this.files(archive.segments)}
        WHERE time <= make_timestamp(${archive.maxTime})`)
    }
    const newest = [
      ...(latest === undefined ? [] : [`SELECT ${columnList} FROM ${this.files([latest])}`]),
      ...generations.map(generationLatest),
    ]
    return [
      `CREATE OR REPLACE VIEW readings AS ${readings.length === 0 ? noRows : readings.join(" UNION ALL ")}`,
      `CREATE OR REPLACE VIEW latest AS ${newest.length === 0 ? noRows : newestOf(newest.join(" UNION ALL "))}`,
    ]
  }

  /** A FROM item with the rows of these files. */
  files(paths: readonly string[]): string {
    return `read_parquet([${paths.map((path) => quoted(this.#disk.absolute(path))).join(", ")}])`
  }
}
