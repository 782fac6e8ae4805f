/**
 * The shelf: the segment files, the manifest that lists them and the views that show them, kept in step.
 *
 * Invariants
 * - S1 A file is listed only when it is whole and durable, and shown only when its listing is durable.
 * - S2 A listed file is never changed. One that is not listed any more leaves the views first and is unlinked last.
 * - S3 Listing a file and unlisting what it replaces is one commit of the log, and one transaction of the views.
 */
import type { DamagedRange, Disk, Logger } from "@brume/core"
import type { Catalog } from "../tables/catalog.ts"
import { dropGeneration } from "../tables/columns.ts"
import type { Session } from "../tables/engine.ts"
import { archiveOf } from "./archive.ts"
import type { Damage, LatestEntry, Manifest, ManifestChange, SegmentEntry } from "./manifest.ts"
import { pathOf } from "./names.ts"
import { type Pin, Pins } from "./pins.ts"
import { intersect, type Ranges, rangesOf, subtract } from "./ranges.ts"

export interface ShelfOptions {
  readonly disk: Disk
  readonly logger: Logger
  readonly manifest: Manifest
  readonly catalog: Catalog
  /** For long statements: sealing, merging, searching. */
  readonly session: Session
  readonly log: ShelfLog
}

/** What the shelf needs to know of the log. */
export interface ShelfLog {
  readonly node: string
  readonly epoch: string
  readonly firstSeq: number
  readonly nextSeq: number
  readonly damaged: readonly DamagedRange[]
}

/** A change of what is listed. */
export interface ShelfChange {
  readonly manifest: ManifestChange
  /** A generation that the added segment stands for. */
  readonly generation?: number
}

const missingNote = new TextEncoder().encode("This segment was not there any more. Remove this note to settle it.\n")

export class Shelf {
  readonly disk: Disk
  readonly logger: Logger
  readonly manifest: Manifest
  readonly catalog: Catalog
  readonly session: Session
  readonly log: ShelfLog
  readonly #pins: Pins
  /** What is to be done with a retired file instead of unlinking it. */
  readonly #moves = new Map<string, string>()
  readonly #unlinking = new Set<Promise<void>>()
  /** While the folder is examined at the start, views would name files that are not there. */
  #isShown = false
  /** Files that left the list, and generations that are sealed, while the views may still name them. */
  #unused: string[] = []
  readonly #sealed = new Set<number>()

  constructor(options: ShelfOptions) {
    this.disk = options.disk
    this.logger = options.logger
    this.manifest = options.manifest
    this.catalog = options.catalog
    this.session = options.session
    this.log = options.log
    this.#pins = new Pins((path) => this.#remove(path))
  }

  /** While it is held, every file that the views of now name stays. */
  pin(): Pin {
    return this.#pins.pin()
  }

  /** A FROM item with the rows of these segments. */
  rowsOf(segments: readonly { readonly name: string }[]): string {
    return this.catalog.files(segments.map(({ name }) => pathOf(name)))
  }

  /** A name that no file has. */
  async freeName(make: (turn: number) => string): Promise<string> {
    for (let turn = 0; ; turn++) {
      const name = make(turn)
      const path = pathOf(name)
      const isTaken = this.manifest.has(name) || this.manifest.damaged.some(({ file }) => file === path)
      if (!isTaken && (await this.disk.size(path)) === undefined) return name
    }
  }

  /** S1–S3. When the views cannot follow, it is done all the same, and {@link settle} makes them. */
  async change({ manifest: change, generation }: ShelfChange): Promise<void> {
    const before = this.manifest.latest
    await this.manifest.commit(change)
    for (const { name } of change.remove ?? []) this.#unused.push(pathOf(name))
    if (before !== undefined && before !== this.manifest.latest) this.#unused.push(pathOf(before.name))
    if (generation !== undefined) this.#sealed.add(generation)
    if (this.#isShown) await this.settle()
    else await this.#letGo()
  }

  /** Makes the views show what is listed, for the first time or after a failure. Then lets go of what is unused. */
  async settle(): Promise<void> {
    if (this.#isShown && this.#unused.length === 0 && this.#sealed.size === 0) return
    const { segments, latest } = this.manifest
    const sealed = new Set(this.#sealed)
    const archive = archiveOf(segments)
    await this.catalog.change({
      edit: ({ generations }) => ({
        segments: segments.filter(({ name }) => !archive?.names.includes(name)).map(({ name }) => pathOf(name)),
        archive: archive === undefined ? undefined : { segments: archive.names.map(pathOf), maxTime: archive.maxTime },
        latest: latest === undefined ? undefined : pathOf(latest.name),
        generations: generations.filter((number) => !sealed.has(number)),
      }),
      after: [...sealed].flatMap(dropGeneration),
    })
    this.#isShown = true
    this.#sealed.clear()
    await this.#letGo()
  }

  /** Whether the views still have this generation. */
  shows(generation: number): boolean {
    return this.catalog.sources.generations.includes(generation)
  }

  /** Sequences of an epoch that can be read from the log. */
  inLog(epoch: string): Ranges {
    const { log } = this
    if (epoch !== log.epoch) return []
    const damaged = log.damaged.filter((range) => range.epoch === epoch)
    return subtract(
      rangesOf([[log.firstSeq, log.nextSeq]]),
      rangesOf(damaged.map(({ fromSeq, toSeq }) => [fromSeq, toSeq] as const)),
    )
  }

  /**
   * Takes a segment that is missing or damaged out of the list. Its bytes go to quarantine; for a missing one a note goes
   * there. Returns what of it the log still has; the rest is reported as damaged, until that file is removed.
   */
  async quarantine(entry: SegmentEntry): Promise<Ranges> {
    const path = pathOf(entry.name)
    const exists = (await this.disk.size(path)) !== undefined
    const inLog = this.inLog(entry.epoch)
    const lost = subtract(entry.ranges, inLog)
    const quarantined = await this.#quarantineName(exists ? entry.name : `${entry.name}.missing`)
    const { epoch } = entry
    const damaged = lost.map(([fromSeq, toSeq]): Damage => {
      return { epoch, fromSeq, toSeq, file: path, quarantined, certainty: "acknowledged", entry }
    })
    this.logger.error("segment is damaged and was taken out", {
      file: path,
      quarantined,
      isMissing: !exists,
      rows: entry.rows,
      lost: JSON.stringify(lost),
    })
    if (exists) this.#moves.set(path, quarantined)
    else if (lost.length > 0) await this.disk.replace(quarantined, missingNote)
    await this.change({ manifest: { remove: [entry], damaged } })
    return intersect(entry.ranges, inLog)
  }

  /** Moves a file that is not listed to quarantine. */
  async setAside(name: string): Promise<string> {
    const target = await this.#quarantineName(name)
    await this.#move(pathOf(name), target)
    return target
  }

  /** Ends when no file is being unlinked. Files that are still pinned stay; the next open removes them. */
  async close(): Promise<void> {
    await Promise.all(this.#unlinking)
  }

  /** S2: no view names them any more. */
  async #letGo(): Promise<void> {
    const unused = this.#unused
    this.#unused = []
    this.#pins.retire(unused)
    await Promise.all(this.#unlinking)
  }

  async #quarantineName(name: string): Promise<string> {
    for (let turn = 0; ; turn++) {
      const path = `quarantine/${name}${turn === 0 ? "" : `.${turn}`}`
      if ((await this.disk.size(path)) === undefined) return path
    }
  }

  async #move(path: string, target: string): Promise<void> {
    await this.disk.rename(path, target)
    await this.disk.syncFolder("quarantine")
  }

  #remove(path: string): void {
    const target = this.#moves.get(path)
    this.#moves.delete(path)
    const done = (target === undefined ? this.disk.remove(path) : this.#move(path, target))
      .catch((error: unknown) =>
        this.logger.warn("a file that is not used any more cannot be removed", { path, error }),
      )
      .then(() => {
        this.#unlinking.delete(done)
      })
    this.#unlinking.add(done)
  }
}

/** Whether a listed file has the bytes that were written. Throws when that cannot be told now. */
export async function isIntact(disk: Disk, entry: SegmentEntry | LatestEntry): Promise<boolean> {
  const path = pathOf(entry.name)
  if ((await disk.size(path)) !== entry.bytes) return false
  try {
    return (await disk.hash(path)) === entry.sha256
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } }
    // The device cannot read it. Anything else, too many open files say, passes.
    if (cause?.code === "EIO") return false
    throw error
  }
}
