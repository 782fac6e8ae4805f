/**
 * What one call does to the world, once: the key of each thing follows from the key of the call, from what it is, and from
 * how often the call did the same before. A call that is repeated does not repeat what it did already.
 */
import { createHash } from "node:crypto"
import type { KeyedRecord } from "@brume/core"
import type { DeliveryRecords } from "../deliveries/delivery-records.ts"

export class DoneOnce {
  readonly #key: string
  readonly #record: string | undefined
  readonly #records: DeliveryRecords
  readonly #occurrences = new Map<string, number>()

  /** @param record of the delivery, where the call may be repeated */
  constructor(key: string, record: string | undefined, records: DeliveryRecords) {
    this.#key = key
    this.#record = record
    this.#records = records
  }

  /** The key of something, from what it is. */
  keyOf(parts: readonly unknown[]): string {
    const what = JSON.stringify(parts)
    const occurrence = (this.#occurrences.get(what) ?? 0) + 1
    this.#occurrences.set(what, occurrence)
    return createHash("sha256")
      .update(JSON.stringify([this.#key, what, occurrence]))
      .digest("hex")
  }

  /** Does it with a mark for its commit, unless an earlier attempt of the call did. */
  async publish(parts: readonly unknown[], does: (marks: readonly KeyedRecord[]) => Promise<void>): Promise<void> {
    const record = this.#record
    if (record === undefined) return await does([])
    const mark = this.#records.mark(record, this.keyOf(parts))
    if (mark === undefined) return
    try {
      await does([mark])
    } catch (error) {
      this.#records.unmark(record, mark)
      throw error
    }
  }
}
