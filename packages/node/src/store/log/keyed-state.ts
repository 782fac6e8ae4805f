/** The keyed records in force, by kind and key. */
import type { KeyedKind, KeyedRecord } from "@brume/core"
import { keyedKinds, storedKey } from "./keyed-record.ts"

export interface KeyedEntry {
  readonly value: Uint8Array
  /** Sequence of the record that set it. */
  readonly seq: number
}

/** Brings a key back to what it was. */
export interface Undo {
  readonly kind: KeyedKind
  readonly key: string
  readonly previous: KeyedEntry | undefined
}

export class KeyedState {
  readonly #byKind = new Map<KeyedKind, Map<string, KeyedEntry>>(keyedKinds.map((kind) => [kind, new Map()]))

  /** Takes the value over: its owner must not change it any more. */
  apply(record: KeyedRecord, seq: number): Undo {
    const { kind, value } = record
    const key = storedKey(record.key)
    const keys = this.#keys(kind)
    const previous = keys.get(key)
    if (value === undefined) keys.delete(key)
    else keys.set(key, { value, seq })
    return { kind, key, previous }
  }

  undo(undo: Undo): void {
    const keys = this.#keys(undo.kind)
    if (undo.previous === undefined) keys.delete(undo.key)
    else keys.set(undo.key, undo.previous)
  }

  get(kind: KeyedKind, key: string): Uint8Array | undefined {
    return this.#keys(kind).get(storedKey(key))?.value
  }

  *entries(kind: KeyedKind): IterableIterator<[string, Uint8Array]> {
    for (const [key, entry] of this.#keys(kind)) yield [key, entry.value]
  }

  /** Everything at this moment. Costs a copy of the keys' references, not of the values. */
  capture(): { readonly record: KeyedRecord; readonly seq: number }[] {
    const all: { record: KeyedRecord; seq: number }[] = []
    for (const [kind, keys] of this.#byKind) {
      for (const [key, { value, seq }] of keys) all.push({ record: { kind, key, value }, seq })
    }
    return all
  }

  #keys(kind: KeyedKind): Map<string, KeyedEntry> {
    const keys = this.#byKind.get(kind)
    if (keys === undefined) throw new TypeError(`Not a kind of keyed records: ${kind}`)
    return keys
  }
}
