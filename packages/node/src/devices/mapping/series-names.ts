/** From names of readings to the series of one topic, so that a name is checked and looked up once. */
import { nameProblem, type Series, type SeriesCache } from "@brume/core"
import { excerpt } from "../payload/mistakes.ts"

/** Names that are remembered for a topic; those beyond are looked up each time. */
const maxNames = 256

export class SeriesNames {
  readonly #cache: SeriesCache
  readonly #device: string
  readonly #tags: string
  readonly #known = new Map<string, Series>()

  constructor(cache: SeriesCache, device: string, tags: string) {
    this.#cache = cache
    this.#device = device
    this.#tags = tags
  }

  /** The series of a property, or why there can be none; continues a sentence that began with the payload. */
  get(property: string): Series | string {
    const known = this.#known.get(property)
    if (known !== undefined) return known
    const problem = nameProblem(property)
    if (problem !== undefined) return `has a member for the property ${excerpt(property)}, which ${problem}`
    const series = this.#cache.get(this.#device, property, this.#tags)
    if (this.#known.size < maxNames) this.#known.set(property, series)
    return series
  }
}
