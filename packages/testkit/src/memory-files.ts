/**
 * A file system in memory that knows what is durable: the model below the memory disk and the recording disk.
 * It assumes the least that a careful program may rely on:
 * - a write or truncation is durable after a later sync of that file, until then any of its sectors may get lost;
 * - a name (creation, renaming, removal) is durable after a later sync of its folder; until then it may get lost, each
 *   name by itself. A rename happens as a whole or not at all, and one between folders needs a sync of both.
 */
import type { SeededRandom } from "./seeded-random.ts"

/** What a disk writes as a whole. */
export const sectorBytes = 512

/** What becomes of everything unsynced: all of it stays (the process died), all is lost, or chance decides (power cut). */
export type Unsynced = "kept" | "dropped" | { readonly random: SeededRandom }

type Change = { readonly position: number; readonly bytes: Uint8Array } | { readonly size: number }

/** A stretch of bytes that grows. */
class Bytes {
  #buffer = new Uint8Array(0)
  length = 0

  static of(content: Uint8Array): Bytes {
    const bytes = new Bytes()
    bytes.apply({ position: 0, bytes: content })
    return bytes
  }

  apply(change: Change): void {
    if ("size" in change) this.#resize(change.size)
    else if (change.bytes.length > 0) {
      const end = change.position + change.bytes.length
      if (end > this.length) this.#resize(end)
      this.#buffer.set(change.bytes, change.position)
    }
  }

  view(): Uint8Array {
    return this.#buffer.subarray(0, this.length)
  }

  #resize(length: number): void {
    if (length > this.#buffer.length) {
      const wider = new Uint8Array(Math.max(length, this.#buffer.length * 2))
      wider.set(this.view())
      this.#buffer = wider
    }
    // What lies beyond a file's end reads as zeros when the file grows again.
    if (length < this.length) this.#buffer.fill(0, length, this.length)
    this.length = length
  }
}

export class MemoryFile {
  readonly #content = new Bytes()
  readonly #durable = new Bytes()
  #unsynced: Change[] = []
  /** Number of the first change in `#unsynced`, counted from the file's creation. */
  #base = 0

  static of(content: Uint8Array): MemoryFile {
    const file = new MemoryFile()
    file.change({ position: 0, bytes: content.slice() })
    file.endSync(file.beginSync())
    return file
  }

  get content(): Uint8Array {
    return this.#content.view()
  }

  /** Takes the bytes over without copying them. */
  change(change: Change): void {
    this.#content.apply(change)
    this.#unsynced.push(change)
  }

  /** A sync covers what was written before it began. */
  beginSync(): number {
    return this.#base + this.#unsynced.length
  }

  endSync(covered: number): void {
    const count = Math.max(0, covered - this.#base)
    for (const change of this.#unsynced.slice(0, count)) this.#durable.apply(change)
    this.#unsynced = this.#unsynced.slice(count)
    this.#base += count
  }

  /** What a failed sync does on many systems: the changes stay visible, count as written, and never reach the device. */
  forgetUnsynced(): void {
    this.#base += this.#unsynced.length
    this.#unsynced = []
  }

  /** The content that a crash leaves. */
  after(unsynced: Unsynced): Uint8Array {
    if (unsynced === "kept") return this.content
    if (unsynced === "dropped" || this.#unsynced.length === 0) return this.#durable.view()
    const { random } = unsynced
    const left = Bytes.of(this.#durable.view())
    const shape = random.below(4)
    if (shape === 0) return left.view()
    // In order up to a point, torn there; or every sector by its own chance, which is any order that a cache may take.
    const keptChanges = shape === 1 ? random.below(this.#unsynced.length + 1) : this.#unsynced.length
    const chance = shape === 3 ? random.unit() : 1
    for (const [index, change] of this.#unsynced.entries()) {
      if (index > keptChanges) break
      const torn = shape === 1 && index === keptChanges
      for (const part of sectorsOf(change)) {
        if (torn && random.chance(0.3)) break
        if (random.chance(chance)) left.apply(part)
      }
    }
    return left.view()
  }
}

function sectorsOf(change: Change): Change[] {
  if ("size" in change) return [change]
  const parts: Change[] = []
  for (let from = 0; from < change.bytes.length; ) {
    const position = change.position + from
    const to = Math.min(change.bytes.length, from + sectorBytes - (position % sectorBytes))
    parts.push({ position, bytes: change.bytes.subarray(from, to) })
    from = to
  }
  return parts
}

type Entry = MemoryFile | "folder"

interface NameChange {
  readonly number: number
  readonly names: readonly (readonly [path: string, entry: Entry | undefined])[]
  /** Folders that must be synced before it is durable. */
  readonly waiting: Set<string>
}

export class MemoryFiles {
  readonly #entries = new Map<string, Entry>()
  readonly #durable = new Map<string, Entry>()
  #unsynced: NameChange[] = []
  #count = 0
  /** Which change made a name durable: a later one is not undone by an earlier one that is synced after it. */
  readonly #madeBy = new Map<string, number>()

  file(path: string): MemoryFile | undefined {
    mustBeInside(path)
    const entry = this.#entries.get(path)
    return entry === "folder" ? undefined : entry
  }

  hasFolder(path: string): boolean {
    return path === "" || this.#entries.get(path) === "folder"
  }

  /** The file of this name, created when missing. */
  create(path: string, file: MemoryFile = new MemoryFile()): MemoryFile {
    const known = this.file(path)
    if (known !== undefined) return known
    this.#assign([[path, file]])
    return file
  }

  makeFolder(path: string): void {
    mustBeInside(path)
    if (path === "") return
    this.makeFolder(folderOf(path))
    if (!this.hasFolder(path)) this.#assign([[path, "folder"]])
  }

  rename(from: string, to: string): void {
    this.#assign([
      [from, undefined],
      [to, this.#entries.get(from)],
    ])
  }

  remove(path: string): void {
    if (this.#entries.has(path)) this.#assign([[path, undefined]])
  }

  list(folder: string): string[] {
    mustBeInside(folder)
    const names: string[] = []
    for (const path of this.#entries.keys()) if (folderOf(path) === folder) names.push(nameOf(path))
    return names.sort()
  }

  /** All files with their content. */
  *files(): IterableIterator<[path: string, content: Uint8Array]> {
    for (const [path, entry] of this.#entries) if (entry !== "folder") yield [path, entry.content]
  }

  *folders(): IterableIterator<string> {
    for (const [path, entry] of this.#entries) if (entry === "folder") yield path
  }

  beginFolderSync(): number {
    return this.#count
  }

  endFolderSync(folder: string, covered: number): void {
    this.#unsynced = this.#unsynced.filter((change) => {
      if (change.number >= covered) return true
      change.waiting.delete(folder)
      if (change.waiting.size > 0) return true
      for (const [path, entry] of change.names) {
        if ((this.#madeBy.get(path) ?? -1) > change.number) continue
        this.#madeBy.set(path, change.number)
        put(this.#durable, path, entry)
      }
      return false
    })
  }

  /** What a crash leaves, as a new file system in which all is durable. */
  after(unsynced: Unsynced): MemoryFiles {
    const entries = unsynced === "kept" ? this.#entries : this.#entriesAfter(unsynced)
    const left = new MemoryFiles()
    const folders = [...entries].filter(([, entry]) => entry === "folder").map(([path]) => path)
    for (const path of folders.sort()) if (left.hasFolder(folderOf(path))) left.#place(path, "folder")
    for (const [path, entry] of entries) {
      if (entry === "folder" || !left.hasFolder(folderOf(path))) continue
      left.#place(path, MemoryFile.of(entry.after(unsynced)))
    }
    return left
  }

  #entriesAfter(unsynced: "dropped" | { readonly random: SeededRandom }): Map<string, Entry> {
    const entries = new Map(this.#durable)
    if (unsynced === "dropped") return entries
    const { random } = unsynced
    const shape = random.below(3)
    const keptChanges = shape === 0 ? random.below(this.#unsynced.length + 1) : this.#unsynced.length
    const chance = shape === 2 ? random.unit() : 1
    for (const change of this.#unsynced.slice(0, keptChanges)) {
      if (!random.chance(chance)) continue
      for (const [path, entry] of change.names) put(entries, path, entry)
    }
    return entries
  }

  #assign(names: NameChange["names"]): void {
    for (const [path, entry] of names) put(this.#entries, path, entry)
    this.#unsynced.push({ number: this.#count++, names, waiting: new Set(names.map(([path]) => folderOf(path))) })
  }

  #place(path: string, entry: Entry): void {
    this.#entries.set(path, entry)
    this.#durable.set(path, entry)
  }
}

function put(entries: Map<string, Entry>, path: string, entry: Entry | undefined): void {
  if (entry === undefined) entries.delete(path)
  else entries.set(path, entry)
}

function mustBeInside(path: string): void {
  if (path === "") return
  for (const part of path.split("/")) {
    if (part === "" || part === "." || part === ".." || part.includes("\\")) {
      throw new TypeError(`Not a path below the data folder: ${JSON.stringify(path)}`)
    }
  }
}

export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")))
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1)
}
