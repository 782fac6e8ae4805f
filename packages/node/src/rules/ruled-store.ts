/** A store whose readings meet the rules on their way into the log (U1 in rules.ts). */
import type { Appended, KeyedRecord, ReadingBatch, Store } from "@brume/core"
import type { Rules } from "./rules.ts"

type Ruled = Pick<Store, "node" | "epoch" | "nextSeq" | "append" | "put" | "get" | "entries" | "onDurable" | "stats">

export class RuledStore implements Ruled {
  readonly node: string
  readonly epoch: string
  readonly #store: Ruled
  readonly #rules: Pick<Rules, "evaluate">

  constructor(store: Ruled, rules: Pick<Rules, "evaluate">) {
    this.node = store.node
    this.epoch = store.epoch
    this.#store = store
    this.#rules = rules
  }

  get nextSeq(): number {
    return this.#store.nextSeq
  }

  append(batch: ReadingBatch, records?: readonly KeyedRecord[]): Appended {
    const evaluation = this.#rules.evaluate(batch, this.#store.nextSeq)
    if (evaluation === undefined) return this.#store.append(batch, records)
    let appended: Appended
    try {
      appended = this.#store.append(batch, [...(records ?? []), ...evaluation.records])
    } catch (error) {
      evaluation.refused()
      throw error
    }
    appended.durable.then(
      () => evaluation.durable(),
      () => evaluation.refused(),
    )
    return appended
  }

  put(records: readonly KeyedRecord[]): Appended {
    return this.#store.put(records)
  }

  get(kind: Parameters<Store["get"]>[0], key: string): Uint8Array | undefined {
    return this.#store.get(kind, key)
  }

  entries(kind: Parameters<Store["entries"]>[0]): ReturnType<Store["entries"]> {
    return this.#store.entries(kind)
  }

  onDurable(listener: Parameters<Store["onDurable"]>[0]): () => void {
    return this.#store.onDurable(listener)
  }

  stats(): ReturnType<Store["stats"]> {
    return this.#store.stats()
  }
}
