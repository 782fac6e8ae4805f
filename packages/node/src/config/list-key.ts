/**
 * Keys whose values are lists of objects and maps of texts. What stands inside is read by keys of its own, and every
 * mistake is named by its path: `devices.mappings[2].time.unit`.
 */
import { nearest } from "@brume/core"
import { type InnerMistake, type Key, noValue, type Read } from "./key.ts"
import { isSection, type Members, type ValuesOf } from "./members.ts"
import { isWrittenList, isWrittenMap, parseWrittenJson, type WrittenMap, type WrittenPart } from "./written.ts"

export interface ListOptions<M extends Members> {
  readonly meaning: string
  /** What one object is, for people: `mapping`. */
  readonly item: string
  readonly of: M
  readonly most: number
  /**
   * What keys cannot see on their own: mistakes of one object, given those before it. Members that have mistakes of
   * their own are missing.
   */
  readonly check?: (item: Partial<ValuesOf<M>>, before: readonly Partial<ValuesOf<M>>[]) => readonly InnerMistake[]
}

/** A list of objects; in flags and environment as JSON. */
export function objects<const M extends Members>(options: ListOptions<M>): Key<readonly ValuesOf<M>[]> {
  return {
    type: `list of ${options.item}s, at most ${options.most}`,
    meaning: options.meaning,
    default: "[]",
    defaultMeaning: "none",
    // Its keys have examples.
    example: undefined,
    required: false,
    items: options.of,
    read(written, folder) {
      const list = typeof written === "string" ? parseWrittenJson(written === "" ? "[]" : written) : written
      if (list === undefined || !isWrittenList(list))
        return { problem: `is no list of ${options.item}s; in flags and variables it is JSON: [{"name": "…"}]` }
      if (list.items.length > options.most)
        return { problem: `has ${list.items.length} ${options.item}s, more than ${options.most}` }
      const mistakes: InnerMistake[] = []
      const value: Partial<ValuesOf<M>>[] = []
      for (const [index, part] of list.items.entries()) {
        const reader = new ObjectReader(folder, mistakes)
        const item = reader.read(part, options.of, `[${index}]`) as Partial<ValuesOf<M>>
        for (const { path, problem } of options.check?.(item, value) ?? [])
          mistakes.push({ path: `[${index}].${path}`, problem, origin: originOf(part, path) })
        value.push(item)
      }
      return mistakes.length === 0 ? { value: Object.freeze(value) as readonly ValuesOf<M>[] } : { mistakes }
    },
  }
}

export interface PairsOptions {
  readonly meaning: string
  readonly names: { readonly fits: RegExp; readonly form: string }
  readonly values: { readonly fits: RegExp; readonly form: string }
  readonly most: number
  readonly example: string
}

/** A map of texts; in flags and environment as JSON. */
export function pairs({ meaning, names, values, most, example }: PairsOptions): Key<Readonly<Record<string, string>>> {
  return {
    type: `map of ${names.form} to ${values.form}, at most ${most}`,
    meaning,
    default: "{}",
    defaultMeaning: "none",
    example,
    required: false,
    read(written) {
      const map = typeof written === "string" ? parseWrittenJson(written === "" ? "{}" : written) : written
      if (map === undefined || !isWrittenMap(map)) return { problem: "is no map of names to texts" }
      if (map.entries.length > most) return { problem: `has ${map.entries.length} entries, more than ${most}` }
      const mistakes: InnerMistake[] = []
      for (const { name, origin, written: value } of map.entries) {
        const problem = !names.fits.test(name)
          ? `is not ${names.form}`
          : typeof value !== "string" || !values.fits.test(value)
            ? `has no value that is ${values.form}`
            : undefined
        if (problem !== undefined) mistakes.push({ path: `.${name}`, problem, origin })
      }
      if (mistakes.length > 0) return { mistakes }
      return {
        value: Object.freeze(Object.fromEntries(map.entries.map(({ name, written }) => [name, String(written)]))),
      }
    },
  }
}

/** Reads one object into values; its mistakes join the list. */
class ObjectReader {
  readonly #folder: string
  readonly #mistakes: InnerMistake[]

  constructor(folder: string, mistakes: InnerMistake[]) {
    this.#folder = folder
    this.#mistakes = mistakes
  }

  read({ written, origin }: WrittenPart, members: Members, path: string): Record<string, unknown> {
    const isMap = written !== undefined && isWrittenMap(written)
    if (!isMap) this.#mistakes.push({ path, origin, problem: "is no object: its keys stand below it, indented" })
    const map: WrittenMap = isMap ? written : { entries: [] }
    for (const entry of map.entries) {
      if (Object.hasOwn(members, entry.name)) continue
      const guess = nearest(entry.name, Object.keys(members))
      const meant = guess === undefined ? `; it may be ${Object.keys(members).join(", ")}` : `; did you mean ${guess}?`
      this.#mistakes.push({ path: `${path}.${entry.name}`, origin: entry.origin, problem: `is no key${meant}` })
    }
    const object: Record<string, unknown> = {}
    for (const [name, member] of Object.entries(members)) {
      const entry = map.entries.find((one) => one.name === name)
      const place = `${path}.${name}`
      if (isSection(member)) {
        const part = entry?.written === undefined ? { origin, written: { entries: [] } } : entry
        object[name] = this.read(part, member.members, place)
      } else if (entry !== undefined) this.#take(object, name, place, member, entry)
      else if (member.default !== undefined)
        this.#take(object, name, place, member, { origin, written: member.default })
      else if (member.required && isMap) this.#mistakes.push({ path: place, origin, problem: "is missing" })
    }
    return Object.freeze(object)
  }

  #take(object: Record<string, unknown>, name: string, path: string, key: Key<unknown>, part: WrittenPart): void {
    const read: Read<unknown> = part.written === undefined ? noValue(key) : key.read(part.written, this.#folder)
    if ("value" in read) object[name] = read.value
    else if ("problem" in read) this.#mistakes.push({ path, origin: part.origin, problem: read.problem })
    else
      for (const { path: inner, problem, origin } of read.mistakes)
        this.#mistakes.push({ path: path + inner, problem, origin: origin ?? part.origin })
  }
}

/** Where the outermost key of a path stands. */
function originOf({ origin, written }: WrittenPart, path: string): string | undefined {
  if (written === undefined || !isWrittenMap(written)) return origin
  const name = path.split(".", 1)[0]
  return written.entries.find((entry) => entry.name === name)?.origin ?? origin
}
