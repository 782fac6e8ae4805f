/** What is deployed: a record `function/<name>` of kind `document` for each function, with its versions. */
import type { FunctionVersionInfo, KeyedKind, KeyedRecord, Logger } from "@brume/core"

export interface StoredFunction {
  readonly name: string
  /** The version in force. */
  readonly current: number
  /** Grows with each version that was ever deployed. */
  readonly newest: number
  /** Oldest first, at most {@link keptVersions}. */
  readonly versions: readonly FunctionVersionInfo[]
  readonly labels?: Readonly<Record<string, string>>
  /** An admin accepted that nothing keeps it apart from the machine. */
  readonly acceptsUnsandboxed: boolean
}

export interface RecordStore {
  entries(kind: KeyedKind): Iterable<readonly [key: string, value: Uint8Array]>
  put(records: readonly KeyedRecord[]): { readonly durable: Promise<void> }
}

const prefix = "function/"
/** Versions that can be rolled back to. */
export const keptVersions = 10

export class FunctionTable {
  readonly #store: RecordStore
  readonly #functions = new Map<string, StoredFunction>()

  constructor(store: RecordStore, logger: Logger) {
    this.#store = store
    for (const [key, value] of store.entries("document")) {
      if (!key.startsWith(prefix)) continue
      try {
        const stored = JSON.parse(new TextDecoder().decode(value)) as StoredFunction
        this.#functions.set(stored.name, stored)
      } catch (error) {
        logger.error("A function's record is unreadable; deploy it again", { key, error })
      }
    }
  }

  get(name: string): StoredFunction | undefined {
    return this.#functions.get(name)
  }

  /** By name. */
  list(): readonly StoredFunction[] {
    return [...this.#functions.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Names of all bundles that versions need. */
  bundles(): ReadonlySet<string> {
    return new Set(this.list().flatMap(({ versions }) => versions.map(({ bundle }) => bundle)))
  }

  /** Durable when it resolves; seen here from then on. */
  async set(stored: StoredFunction): Promise<void> {
    const value = new TextEncoder().encode(JSON.stringify(stored))
    await this.#store.put([{ kind: "document", key: prefix + stored.name, value }]).durable
    this.#functions.set(stored.name, stored)
  }

  /** @param others what goes with it, in the same commit */
  async delete(name: string, others: readonly KeyedRecord[]): Promise<void> {
    await this.#store.put([{ kind: "document", key: prefix + name, value: undefined }, ...others]).durable
    this.#functions.delete(name)
  }
}

/** With one version more, which is in force; the oldest go. */
export function withVersion(
  stored: StoredFunction | undefined,
  made: Omit<FunctionVersionInfo, "version">,
  { name, labels, acceptsUnsandboxed }: Pick<StoredFunction, "name" | "labels" | "acceptsUnsandboxed">,
): StoredFunction {
  const version = (stored?.newest ?? 0) + 1
  const versions = [...(stored?.versions ?? []), { version, ...made }].slice(-keptVersions)
  const named = labels === undefined ? { name } : { name, labels }
  return { ...named, current: version, newest: version, versions, acceptsUnsandboxed }
}

export function versionOf({ versions }: StoredFunction, version: number): FunctionVersionInfo | undefined {
  return versions.find((one) => one.version === version)
}
