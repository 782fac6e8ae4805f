/** Readings for functions, as they become durable. What a series means for them is looked up once for each series. */
import {
  matchesFilter,
  type Reading,
  type ReadingBatch,
  type ReadingTrigger,
  type Series,
  type Store,
} from "@brume/core"

export type ReadingTaker = (reading: Reading, trigger: ReadingTrigger) => void

interface Target {
  readonly trigger: ReadingTrigger
  readonly take: ReadingTaker
}

interface Known {
  readonly version: number
  readonly targets: readonly Target[]
}

export class ReadingTriggers {
  readonly #store: Pick<Store, "node" | "epoch" | "onDurable">
  readonly #takers = new Map<string, { readonly triggers: readonly ReadingTrigger[]; readonly take: ReadingTaker }>()
  readonly #known = new WeakMap<Series, Known>()
  #version = 0
  #stop: (() => void) | undefined

  constructor(store: Pick<Store, "node" | "epoch" | "onDurable">) {
    this.#store = store
  }

  /** Replaces what a function wants. While nobody wants any, a batch costs nothing. */
  set(name: string, triggers: readonly ReadingTrigger[], take: ReadingTaker): void {
    if (triggers.length > 0) this.#takers.set(name, { triggers, take })
    else this.#takers.delete(name)
    this.#version++
    if (this.#takers.size === 0) this.close()
    else this.#stop ??= this.#store.onDurable((batch, firstSeq) => this.#offer(batch, firstSeq))
  }

  close(): void {
    this.#stop?.()
    this.#stop = undefined
  }

  #offer(batch: ReadingBatch, firstSeq: number): void {
    const targets = batch.series.map((series) => this.#targetsOf(series))
    if (targets.every((list) => list.length === 0)) return
    const origin = { node: this.#store.node, epoch: this.#store.epoch, firstSeq }
    for (let row = 0; row < batch.length; row++) {
      const list = targets[batch.seriesIndex[row]!]!
      if (list.length === 0) continue
      const reading = batch.readingAt(row, origin)
      for (const { trigger, take } of list) take(reading, trigger)
    }
  }

  #targetsOf(series: Series): readonly Target[] {
    const known = this.#known.get(series)
    if (known?.version === this.#version) return known.targets
    const { device, property } = series
    // A function gets a reading once, however many of its triggers want it.
    const targets = [...this.#takers.values()].flatMap(({ triggers, take }) => {
      const trigger = triggers.find((one) => matchesFilter(one.device, device) && matchesFilter(one.property, property))
      return trigger === undefined ? [] : [{ trigger, take }]
    })
    this.#known.set(series, { version: this.#version, targets })
    return targets
  }
}
