/**
 * Readings for functions: a delivery is in the commit of the readings that it is about, so that a reading which was stored
 * reaches the function, at least once. What a series means for functions is looked up once for each series.
 */
import {
  joinPlanned,
  matchesFilter,
  type Planned,
  type Reading,
  type ReadingBatch,
  type ReadingTrigger,
  type Series,
} from "@brume/core"

/** Somebody who takes readings of one batch, in their order. */
export type ReadingTaker = (readings: readonly Reading[], trigger: ReadingTrigger) => Planned | undefined

interface Target {
  readonly trigger: ReadingTrigger
  readonly take: ReadingTaker
}

interface Known {
  readonly version: number
  readonly targets: readonly Target[]
}

const nobody: readonly Target[] = []

export class ReadingTriggers {
  readonly #origin: { readonly node: string; readonly epoch: string }
  readonly #takers = new Map<string, { readonly triggers: readonly ReadingTrigger[]; readonly take: ReadingTaker }>()
  readonly #known = new WeakMap<Series, Known>()
  /** One object for each trigger, so that its readings of several series come together. */
  readonly #targets = new WeakMap<ReadingTrigger, Target>()
  #version = 0

  constructor({ node, epoch }: { readonly node: string; readonly epoch: string }) {
    this.#origin = { node, epoch }
  }

  /** Replaces what a function wants. */
  set(name: string, triggers: readonly ReadingTrigger[], take: ReadingTaker): void {
    if (triggers.length > 0) this.#takers.set(name, { triggers, take })
    else this.#takers.delete(name)
    this.#version++
  }

  /** What a batch causes, for its own commit. While nobody wants readings, or these, a batch costs nearly nothing. */
  evaluate(batch: ReadingBatch, firstSeq: number): Planned | undefined {
    if (this.#takers.size === 0) return undefined
    const targets = batch.series.map((series) => this.#targetsOf(series))
    if (targets.every((list) => list.length === 0)) return undefined
    const wanted = this.#wanted(batch, { targets, firstSeq })
    return joinPlanned(wanted.map(([{ take, trigger }, readings]) => take(readings, trigger)))
  }

  #wanted(
    batch: ReadingBatch,
    { targets, firstSeq }: { readonly targets: readonly (readonly Target[])[]; readonly firstSeq: number },
  ): (readonly [Target, Reading[]])[] {
    const origin = { ...this.#origin, firstSeq }
    const wanted = new Map<Target, Reading[]>()
    for (let row = 0; row < batch.length; row++) {
      const list = targets[batch.seriesIndex[row]!]!
      if (list.length === 0) continue
      const reading = batch.readingAt(row, origin)
      for (const target of list) {
        const readings = wanted.get(target)
        if (readings === undefined) wanted.set(target, [reading])
        else readings.push(reading)
      }
    }
    return [...wanted]
  }

  #targetsOf(series: Series): readonly Target[] {
    const known = this.#known.get(series)
    if (known?.version === this.#version) return known.targets
    const { device, property } = series
    // A function gets a reading once, however many of its triggers want it.
    const found = [...this.#takers.values()].flatMap(({ triggers, take }) => {
      const trigger = triggers.find((one) => matchesFilter(one.device, device) && matchesFilter(one.property, property))
      return trigger === undefined ? [] : [this.#targetOf(trigger, take)]
    })
    const targets = found.length === 0 ? nobody : found
    this.#known.set(series, { version: this.#version, targets })
    return targets
  }

  #targetOf(trigger: ReadingTrigger, take: ReadingTaker): Target {
    let target = this.#targets.get(trigger)
    if (target === undefined || target.take !== take) {
      target = { trigger, take }
      this.#targets.set(trigger, target)
    }
    return target
  }
}
