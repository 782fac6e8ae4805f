/** What each series is to the rules with windows, found once and kept with the series. */
import type { ReadingBatch, Series } from "@brume/core"
import { noGroup, type WindowRun } from "./window-run.ts"

/** One rule's windows, as the log knows them and as they run. */
export interface Holder {
  readonly run: WindowRun
}

export interface Use<H extends Holder> {
  readonly holder: H
  readonly group: number
}

interface Found<H extends Holder> {
  readonly version: number
  readonly uses: readonly Use<H>[]
}

export class SeriesUses<H extends Holder> {
  readonly #holders: () => Iterable<H>
  readonly #found = new WeakMap<Series, Found<H>>()
  #version = 0
  /** By the places of the last batch's series. */
  #bySlot: (readonly Use<H>[])[] = []

  constructor(holders: () => Iterable<H>) {
    this.#holders = holders
  }

  /** What was found before may be wrong. */
  forget(): void {
    this.#version++
  }

  /** By the places of the batch's series; undefined where none is of use. Valid until the next call. */
  of({ series }: ReadingBatch): readonly (readonly Use<H>[])[] | undefined {
    let isUsed = false
    for (let slot = 0; slot < series.length; slot++) {
      const version = this.#version
      const uses = this.#usesOf(series[slot]!)
      // A group's number was given again: what was found before may be of the group that had it.
      if (version !== this.#version) return this.of({ series } as ReadingBatch)
      if (uses.length > 0) isUsed = true
      this.#bySlot[slot] = uses
    }
    return isUsed ? this.#bySlot : undefined
  }

  #usesOf(series: Series): readonly Use<H>[] {
    const known = this.#found.get(series)
    if (known?.version === this.#version) return known.uses
    const uses: Use<H>[] = []
    for (const holder of this.#holders()) {
      const { run } = holder
      const { version } = run
      const group = run.groupOf(series)
      if (run.version !== version) this.#version++
      if (group !== noGroup) uses.push({ holder, group })
    }
    this.#found.set(series, { version: this.#version, uses: uses.length === 0 ? none : uses })
    return uses
  }
}

const none: readonly never[] = []
