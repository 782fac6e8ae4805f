/** Which rules listen to a series. A rule for one device by its name is found by that name, others are tried in turn. */
import { matchesFilter, type Series } from "@brume/core"
import type { ReadingFilter, ReadingRule } from "./compiled-rule.ts"

export class RuleIndex {
  /** Grows with each change: what was found before may be wrong then. */
  version = 0
  readonly #byName = new Map<string, ReadingRule>()
  readonly #byDevice = new Map<string, Set<ReadingRule>>()
  readonly #wild = new Set<ReadingRule>()

  get isEmpty(): boolean {
    return this.#byName.size === 0
  }

  set(rule: ReadingRule): void {
    this.delete(rule.name)
    this.#byName.set(rule.name, rule)
    const { device } = rule.filter
    if (/[+#]/.test(device)) this.#wild.add(rule)
    else {
      const known = this.#byDevice.get(device)
      if (known === undefined) this.#byDevice.set(device, new Set([rule]))
      else known.add(rule)
    }
  }

  delete(name: string): void {
    this.version++
    const rule = this.#byName.get(name)
    if (rule === undefined) return
    this.#byName.delete(name)
    this.#wild.delete(rule)
    const { device } = rule.filter
    const named = this.#byDevice.get(device)
    named?.delete(rule)
    if (named?.size === 0) this.#byDevice.delete(device)
  }

  /** In the order of their names. */
  matching(series: Series): ReadingRule[] {
    const found: ReadingRule[] = []
    for (const rule of this.#byDevice.get(series.device) ?? []) if (takesSeries(rule.filter, series)) found.push(rule)
    for (const rule of this.#wild) if (takesSeries(rule.filter, series)) found.push(rule)
    return found.sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}

export function takesSeries(filter: ReadingFilter, { device, property }: Series): boolean {
  return matchesFilter(filter.device, device) && matchesFilter(filter.property, property)
}
