/**
 * Keys and values of functions: records of kind `state`, `function/<name>/<key>`. A change is answered when it is durable;
 * changes of one key keep their order, and a comparison sees the last one. Bounded in number and bytes for each function.
 */
import { FogError, type KeyedRecord, type Store } from "@brume/core"

const longestKey = 512
const mostValueBytes = 262_144
const mostBytes = 16 * 1_048_576
const mostKeys = 10_000

interface Size {
  keys: number
  bytes: number
}

export class FunctionStates {
  readonly #store: Pick<Store, "get" | "put" | "entries">
  readonly #sizes = new Map<string, Size>()

  constructor(store: Pick<Store, "get" | "put" | "entries">) {
    this.#store = store
    for (const [key, value] of store.entries("state")) {
      const name = /^function\/([^/]+)\//.exec(key)?.[1]
      if (name !== undefined) this.#grow(name, 1, value.length)
    }
  }

  /** null where there is none. */
  get(name: string, key: unknown): unknown {
    const text = this.#text(name, checkedKey(key))
    return text === undefined ? null : JSON.parse(text)
  }

  /** null removes. */
  async set(name: string, key: unknown, value: unknown): Promise<void> {
    await this.#put(name, checkedKey(key), textOf(value))
  }

  async delete(name: string, key: unknown): Promise<void> {
    await this.#put(name, checkedKey(key), undefined)
  }

  /** Sets it only where the value is the expected one; null stands for none. Whether it did. */
  async compareAndSet(name: string, [key, expected, value]: readonly unknown[]): Promise<boolean> {
    const known = checkedKey(key)
    const text = this.#text(name, known)
    const before: unknown = text === undefined ? null : JSON.parse(text)
    if (canonical(before) !== canonical(expected ?? null)) return false
    await this.#put(name, known, textOf(value))
    return true
  }

  /** Records that remove all of a function. */
  removal(name: string): KeyedRecord[] {
    this.#sizes.delete(name)
    return [...this.#store.entries("state")]
      .filter(([key]) => key.startsWith(`function/${name}/`))
      .map(([key]) => ({ kind: "state", key, value: undefined }))
  }

  #text(name: string, key: string): string | undefined {
    const bytes = this.#store.get("state", `function/${name}/${key}`)
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
  }

  async #put(name: string, key: string, text: string | undefined): Promise<void> {
    const path = `function/${name}/${key}`
    const before = this.#store.get("state", path)
    const value = text === undefined ? undefined : new TextEncoder().encode(text)
    if (before === undefined && value === undefined) return
    if ((value?.length ?? 0) > mostValueBytes) throw tooMuch(`A value has ${value?.length} bytes`, mostValueBytes)
    const size = this.#sizes.get(name) ?? { keys: 0, bytes: 0 }
    const keys = (value === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
    const bytes = (value?.length ?? 0) - (before?.length ?? 0)
    if (keys > 0 && size.keys >= mostKeys) throw tooMuch(`There are ${size.keys} keys`, mostKeys)
    if (bytes > 0 && size.bytes + bytes > mostBytes)
      throw tooMuch(`All values together would have ${size.bytes + bytes} bytes`, mostBytes)
    const { durable } = this.#store.put([{ kind: "state", key: path, value }])
    this.#grow(name, keys, bytes)
    await durable
  }

  #grow(name: string, keys: number, bytes: number): void {
    const size = this.#sizes.get(name) ?? { keys: 0, bytes: 0 }
    this.#sizes.set(name, { keys: size.keys + keys, bytes: size.bytes + bytes })
  }
}

function textOf(value: unknown): string | undefined {
  return value === null || value === undefined ? undefined : JSON.stringify(value)
}

function checkedKey(key: unknown): string {
  if (typeof key === "string" && key !== "" && key.length <= longestKey && !/[\p{Cc}\p{Surrogate}]/u.test(key))
    return key
  throw new FogError("function_refused", {
    message: `${JSON.stringify(key)?.slice(0, 80)} is no key of the state`,
    hint: `A key is a text of 1 to ${longestKey} characters.`,
  })
}

/** The same text for the same value, whatever the order of its members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}

function tooMuch(what: string, limit: number): FogError {
  return new FogError("function_refused", {
    message: `${what}, and ${limit} are the limit of a function's state`,
    hint: "Keep readings in the store, and what is needed between calls in the state.",
  })
}
