/**
 * A series: everything that one property of one device, with one set of tags, has ever reported.
 * Its identity is (device, property, tags); tags are canonical JSON (sorted keys), `{}` when there are none.
 */

/** Longest device or property, UTF-16 code units. */
export const maxNameLength = 512
/** Longest canonical tags, UTF-16 code units. */
export const maxTagsLength = 8_192

export class Series {
  readonly device: string
  readonly property: string
  /** Canonical JSON object of string values. */
  readonly tags: string
  /** Which batch last used this object, and at which place of its dictionary: spares a Map lookup per reading. */
  batchId = 0
  batchSlot = 0
  /** Which table last used this object, and its number there: a WeakMap would cost more than all the rest of a row. */
  tableId = 0
  tableSlot = 0
  /** The identity as the log writes it, once the log has encoded it: spares that for each batch. */
  encoded: Uint8Array | undefined = undefined

  constructor(device: string, property: string, tags = "{}") {
    this.device = device
    this.property = property
    this.tags = tags
  }

  /** Equal for equal series, also of different objects. */
  get key(): string {
    return seriesKey(this.device, this.property, this.tags)
  }
}

export function seriesKey(device: string, property: string, tags: string): string {
  return `${device}\u0000${property}\u0000${tags}`
}

/** Canonical JSON of tags: keys sorted by UTF-16 code units, values as they are. */
export function canonicalTags(tags: Readonly<Record<string, string>>): string {
  const names = Object.keys(tags)
  if (names.length === 0) return "{}"
  names.sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(tags[name])}`).join(",")}}`
}

/** Why a device or property name cannot be used, or undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name.length === 0) return "is empty"
  if (name.length > maxNameLength) return `is longer than ${maxNameLength} characters`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
  if (/[\u0000-\u001f\u007f]/.test(name)) return "contains a control character"
  if (/\p{Surrogate}/u.test(name)) return "is not well-formed Unicode"
  return undefined
}

/**
 * Finds the one Series object of an identity, so that hot paths compare objects instead of strings. A cache, not a
 * registry: when it is full it starts anew, and two objects may then stand for one series.
 */
export class SeriesCache {
  readonly #byKey = new Map<string, Series>()
  readonly #limit: number

  /** @param limit most series held; the default costs about 25 MB when full. */
  constructor(limit = 100_000) {
    this.#limit = limit
  }

  get(device: string, property: string, tags = "{}"): Series {
    const key = seriesKey(device, property, tags)
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    if (this.#byKey.size >= this.#limit) this.#byKey.clear()
    const series = new Series(device, property, tags)
    this.#byKey.set(key, series)
    return series
  }
}
