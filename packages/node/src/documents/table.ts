/** The documents of a node in memory: those in force, and those that the log holds but their kind no longer takes. */
import type { DocumentMistake, StoredDocument } from "@brume/core"

export interface HeldDocument {
  readonly kind: string
  readonly name: string
  /** undefined where the record cannot be read. */
  readonly document: StoredDocument | undefined
  /** What keeps it from being in force; none when it is. */
  readonly mistakes: readonly DocumentMistake[]
  /** Of its record. */
  readonly bytes: number
}

export class DocumentTable {
  readonly #byKind = new Map<string, Map<string, HeldDocument>>()
  #size = 0
  #bytes = 0

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(kind: string, name: string): HeldDocument | undefined {
    return this.#byKind.get(kind)?.get(name)
  }

  set(held: HeldDocument): void {
    this.delete(held.kind, held.name)
    let named = this.#byKind.get(held.kind)
    if (named === undefined) {
      named = new Map()
      this.#byKind.set(held.kind, named)
    }
    named.set(held.name, held)
    this.#size++
    this.#bytes += held.bytes
  }

  delete(kind: string, name: string): void {
    const named = this.#byKind.get(kind)
    const held = named?.get(name)
    if (named === undefined || held === undefined) return
    named.delete(name)
    this.#size--
    this.#bytes -= held.bytes
    if (named.size === 0) this.#byKind.delete(kind)
  }

  kinds(): string[] {
    return [...this.#byKind.keys()].sort()
  }

  /** By name. */
  list(kind: string): HeldDocument[] {
    return [...(this.#byKind.get(kind)?.values() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}
