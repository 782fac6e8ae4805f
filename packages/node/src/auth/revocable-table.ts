/**
 * Documents of one kind in memory, by name, whose revocation is monotone: what is revoked is refused from the call on,
 * and its durable tombstone outlives it (A3), within a limit (A5). Tokens and credentials are kept like this.
 */
import type { KeyedRecord } from "@brume/core"

/** Revocations that are remembered; the oldest are forgotten beyond. */
const mostTombstones = 10_000

export class RevocableTable<Entry> {
  /** Of the records' keys; a name follows it. */
  readonly prefix: string
  readonly #entries = new Map<string, Entry>()
  /** Refused from the moment of the call; in `#entries` until that is durable, so that it can be tried again. */
  readonly #revoked = new Set<string>()
  /** When each was revoked, µs. */
  readonly #tombstones = new Map<string, number>()
  /** Places of what is being made. */
  #reserved = 0

  constructor(prefix: string) {
    this.prefix = prefix
  }

  /** With those that are being made, or whose revocation is not yet durable. */
  get size(): number {
    return this.#entries.size + this.#reserved
  }

  /** undefined when there is none, or it is revoked. */
  get(name: string): Entry | undefined {
    return this.#revoked.has(name) ? undefined : this.#entries.get(name)
  }

  /** Also when it is revoked, and that is not yet durable. */
  protected held(name: string): Entry | undefined {
    return this.#entries.get(name)
  }

  /** Those that are in force, in no order. */
  *inForce(): Generator<Entry> {
    for (const [name, entry] of this.#entries) if (!this.#revoked.has(name)) yield entry
  }

  /** After its record is durable. */
  set(name: string, entry: Entry): void {
    this.#entries.set(name, entry)
    // The record has taken the place of the tombstone in the log, and must not be forgotten as one.
    this.#tombstones.delete(name)
  }

  loadTombstone(name: string, revoked: number): void {
    this.#tombstones.set(name, revoked)
  }

  /** When what had this name was last revoked, as far as that is remembered. */
  revokedAt(name: string): number | undefined {
    return this.#tombstones.get(name)
  }

  /** Takes a place for what is being made; false when the limit is reached. */
  reserve(limit: number): boolean {
    if (this.size >= limit) return false
    this.#reserved++
    return true
  }

  release(): void {
    this.#reserved--
  }

  /** Refuses it from now on. undefined when there is none; what is revoked but not yet durably so can be revoked again. */
  revoke(name: string): Entry | undefined {
    const entry = this.#entries.get(name)
    if (entry !== undefined) this.#revoked.add(name)
    return entry
  }

  /** After its revocation is durable. */
  remove(name: string): void {
    this.#entries.delete(name)
    this.#revoked.delete(name)
  }

  /** Records that revoke these names, and that forget the oldest tombstones beyond the limit. */
  *bury(names: readonly string[], now: number): Generator<KeyedRecord> {
    for (const name of names) {
      this.#tombstones.set(name, now)
      yield documentOf(this.prefix + name, { revoked: now })
    }
    const excess = this.#tombstones.size - mostTombstones
    if (excess <= 0) return
    const oldestFirst = [...this.#tombstones].sort(([, a], [, b]) => a - b)
    for (const [name] of oldestFirst.slice(0, excess)) {
      this.#tombstones.delete(name)
      // What was made anew under the name while its revocation was under way keeps its record.
      if (!this.#entries.has(name) || this.#revoked.has(name))
        yield { kind: "document", key: this.prefix + name, value: undefined }
    }
  }
}

export function documentOf(key: string, content: object): KeyedRecord {
  return { kind: "document", key, value: new TextEncoder().encode(JSON.stringify(content)) }
}

/** undefined when it is no JSON object. */
export function parseDocument(value: Uint8Array): object | undefined {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value))
    return typeof parsed === "object" && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
