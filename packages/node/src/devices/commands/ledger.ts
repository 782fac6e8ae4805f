/**
 * Every command that is remembered, as records of kind `effect` in the log: one key each, whose last record is in force.
 *
 * - L1 A command is remembered for {@link LedgerLimits.windowMs} after it was made, and no longer than
 *   {@link LedgerLimits.maxCommands} younger ones leave room; the oldest go first, a few with each new one. One that has
 *   not ended stays.
 * - L2 A command with a key has an id that follows from its source, device and key, so that the log itself knows whether
 *   it was there before.
 */
import { createHash } from "node:crypto"
import type { Clock, Command, KeyedRecord, Logger, Store } from "@brume/core"
import { decodeCommand, encodeCommand } from "./command-record.ts"
import type { Terms } from "./terms.ts"

export interface LedgerLimits {
  /** @default 24 h */
  readonly windowMs: number
  /** Costs about 1 kB a command in the store. @default 50000 */
  readonly maxCommands: number
}

export const defaultLedgerLimits: LedgerLimits = { windowMs: 86_400_000, maxCommands: 50_000 }

export interface LedgerOptions {
  readonly store: Pick<Store, "get" | "entries">
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: LedgerLimits
}

const prefix = "command/"
/** Old ones removed with a new one. */
const removedAtOnce = 8

export class Ledger {
  readonly #options: LedgerOptions
  /** When each was made, the oldest first. */
  readonly #created = new Map<string, number>()

  constructor(options: LedgerOptions) {
    this.#options = options
    const found: [id: string, created: number][] = []
    for (const [key, value] of options.store.entries("effect")) {
      if (!key.startsWith(prefix)) continue
      const command = decodeCommand(value)
      if (command === undefined) options.logger.error("A command's record is unreadable and is left out", { key })
      found.push([key.slice(prefix.length), command?.created ?? 0])
    }
    found.sort((a, b) => a[1] - b[1])
    for (const [id, created] of found) this.#created.set(id, created)
  }

  /** The newest first. */
  ids(): readonly string[] {
    return [...this.#created.keys()].reverse()
  }

  /** As the last record has it, durable or on its way. */
  get(id: string): Command | undefined {
    const value = this.#options.store.get("effect", prefix + id)
    return value === undefined ? undefined : decodeCommand(value)
  }

  record(command: Command): KeyedRecord {
    return { kind: "effect", key: prefix + command.id, value: encodeCommand(command) }
  }

  /** L1: what is forgotten with a new command. @param isOpen whether one has not ended */
  removals(isOpen: (id: string) => boolean): KeyedRecord[] {
    const { clock, limits } = this.#options
    const oldest = clock.now() - limits.windowMs * 1_000
    const records: KeyedRecord[] = []
    let left = this.#created.size
    for (const [id, created] of this.#created) {
      if (records.length >= removedAtOnce || (created > oldest && left < limits.maxCommands)) break
      if (isOpen(id)) continue
      left--
      records.push({ kind: "effect", key: prefix + id, value: undefined })
    }
    return records
  }

  /** The commit with a new command, and what was forgotten for it, was handed to the log. */
  add({ id, created }: Command, removals: readonly KeyedRecord[]): void {
    for (const { key } of removals) this.#created.delete(key.slice(prefix.length))
    this.#created.set(id, created)
  }

  forget(id: string): void {
    this.#created.delete(id)
  }
}

/** L2 */
export function idOf({ source, device, key }: Pick<Terms, "source" | "device"> & { readonly key: string }): string {
  return createHash("sha256")
    .update(JSON.stringify([source, device, key]))
    .digest("hex")
    .slice(0, 32)
}
