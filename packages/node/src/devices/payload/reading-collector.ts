/** Readings of the JSON formats, one after the other, into a batch; mistakes into their list. */
import { canonicalTags, FogError, maxTagsLength, nameProblem, quality as qualityBits, ReadingBatch } from "@brume/core"
import { ExactInteger, isJsonObject, type JsonObject, type JsonValue } from "./exact-json.ts"
import type { JsonDocument } from "./json-text.ts"
import { excerpt, Mistakes } from "./mistakes.ts"
import type { PayloadContext } from "./payload.ts"
import { clockQuality, isCarriedTime, msProblem, parseIsoTime } from "./time.ts"

/** Quality bits that a reading may bring: all known ones, so that exported readings can be sent again. */
const knownQuality = qualityBits.deviceClock | qualityBits.nodeClock | qualityBits.deviceMarked

/** More would not fit into the longest canonical tags anyway. */
const maxTags = 1_500

const knownFields: ReadonlySet<string> = new Set(["device", "property", "value", "values", "time", "tags", "quality"])

/** What other systems call these fields, and fields of exported readings that the node sets itself. */
const otherNames: Readonly<Record<string, string>> = {
  id: "did you mean device?",
  deviceid: "did you mean device?",
  device_id: "did you mean device?",
  host: "did you mean device? Other facts about it belong into tags",
  name: "did you mean property?",
  metric: "did you mean property?",
  measurement: "did you mean property?",
  ts: "did you mean time?",
  timestamp: "did you mean time?",
  data: "did you mean values?",
  labels: "did you mean tags?",
  text: "did you mean value? Texts are values too",
  json: "did you mean value? Objects are values too",
  received: "the node sets it itself",
  node: "the node sets it itself",
  epoch: "the node sets it itself",
  seq: "the node sets it itself",
}

export class ReadingCollector {
  readonly #context: PayloadContext
  readonly #batch = new ReadingBatch()
  readonly #mistakes = new Mistakes()
  /** Names of this payload that were checked and are fine; as many as it has readings at most. */
  readonly #checkedNames = new Set<string>()
  // What is known of the reading at hand. Meaningless where a mistake was found in it.
  #place = ""
  #write: JsonDocument["write"] = JSON.stringify
  #device = ""
  #tags = "{}"
  #time = 0
  #quality = 0
  #mistakesBefore = 0

  constructor(context: PayloadContext) {
    this.#context = context
  }

  /** @param place of the reading: `[3]`, `line 7`, or empty when it is the whole payload. */
  add(reading: JsonValue, write: JsonDocument["write"], place: string): void {
    this.#place = place
    this.#write = write
    this.#mistakesBefore = this.#mistakes.count
    if (isJsonObject(reading)) this.#addReading(reading)
    else this.addMistake(place, `is ${kindOf(reading)}, but a reading is an object`)
  }

  /** Reading on would only find more mistakes. */
  get isFull(): boolean {
    return this.#mistakes.isFull
  }

  addMistake(place: string, reason: string): void {
    this.#mistakes.add(place, reason)
  }

  /** The batch. Throws `readings_invalid` when there was any mistake, or no reading at all. */
  finish(): ReadingBatch {
    if (this.#mistakes.count === 0 && this.#batch.length === 0) this.addMistake("", "the payload has no readings")
    if (this.#mistakes.count > 0) throw this.#mistakes.toError("Nothing was stored", readingHint)
    return this.#batch
  }

  #addReading(reading: JsonObject): void {
    for (const field in reading) {
      if (knownFields.has(field)) continue
      if (this.isFull) return
      this.#refuse(field.length > 40 ? excerpt(field) : field, `is unknown; ${suggestion(field)}`)
    }
    this.#device = this.#name("device", reading.device)
    this.#tags = reading.tags === undefined ? "{}" : this.#canonicalTags(reading.tags)
    this.#time = reading.time === undefined ? this.#context.receivedUs : this.#timeOf(reading.time)
    const marked = reading.quality === undefined ? 0 : this.#qualityOf(reading.quality)
    this.#quality = marked | clockQuality(this.#time, this.#context.receivedUs)
    const { property, value, values } = reading
    if (values === undefined) {
      const name = this.#name("property", property)
      if (value === undefined) this.#refuse("value", "is missing")
      else this.#addValue(name, value, "value")
      return
    }
    if (property !== undefined) this.#refuse("property", "cannot stand beside values, which names properties itself")
    if (value !== undefined) this.#refuse("value", "cannot stand beside values")
    if (isJsonObject(values)) this.#addValues(values)
    else this.#refuse("values", `is ${kindOf(values)}, but has to be an object of properties and their values`)
  }

  #addValues(values: JsonObject): void {
    let count = 0
    for (const property in values) {
      if (this.isFull) return
      count++
      const problem = this.#nameProblem(property)
      if (problem === undefined) this.#addValue(property, values[property]!, undefined)
      else this.#refuse("values", `has the property ${excerpt(property)}, whose name ${problem}`)
    }
    if (count === 0) this.#refuse("values", "has no property")
  }

  /** @param path of the value, `values.<property>` when undefined. */
  #addValue(property: string, value: JsonValue, path: string | undefined): void {
    const problem = this.#valueProblem(value)
    if (problem !== undefined) this.#refuse(path ?? `values.${excerpt(property)}`, problem)
    if (this.#mistakes.count > this.#mistakesBefore) return
    const batch = this.#batch
    if (batch.length >= this.#context.limits.readings) throw tooManyReadings(this.#context.limits.readings)
    const series = this.#context.series.get(this.#device, property, this.#tags)
    if (typeof value === "number") batch.addNumber(series, this.#time, value, this.#quality)
    else if (typeof value === "string") batch.addText(series, this.#time, value, this.#quality)
    else if (value instanceof ExactInteger) batch.addBigInteger(series, this.#time, value.digits, this.#quality)
    else batch.addJson(series, this.#time, this.#json, this.#quality)
  }

  /** JSON of the value that was checked last, where it is neither number nor text. */
  #json = ""

  #valueProblem(value: JsonValue): string | undefined {
    const { textLength, jsonLength } = this.#context.limits
    if (typeof value === "number") return Number.isFinite(value) ? undefined : "is too large for a number"
    if (typeof value === "string")
      return value.length > textLength ? `has ${value.length} characters, the limit is ${textLength}` : undefined
    if (value === null) return "is null; leave out what was not measured"
    if (value instanceof ExactInteger) return undefined
    this.#json = this.#write(value)
    const { length } = this.#json
    return length > jsonLength ? `has ${length} characters as JSON, the limit is ${jsonLength}` : undefined
  }

  #name(field: string, name: JsonValue | undefined): string {
    if (typeof name === "string") {
      const problem = this.#nameProblem(name)
      if (problem !== undefined) this.#refuse(field, problem)
      return name
    }
    this.#refuse(field, name === undefined ? "is missing" : `is ${kindOf(name)}, but has to be a text`)
    return ""
  }

  #nameProblem(name: string): string | undefined {
    if (this.#checkedNames.has(name)) return undefined
    const problem = nameProblem(name)
    if (problem === undefined) this.#checkedNames.add(name)
    return problem
  }

  #canonicalTags(tags: JsonValue): string {
    if (!isJsonObject(tags)) {
      this.#refuse("tags", `is ${kindOf(tags)}, but has to be an object of texts`)
      return "{}"
    }
    let count = 0
    for (const name in tags) {
      const value = tags[name]!
      if (++count > maxTags) {
        this.#refuse("tags", `has more than ${maxTags} tags`)
        break
      }
      const problem = this.#nameProblem(name)
      if (problem !== undefined) this.#refuse("tags", `has the tag ${excerpt(name)}, whose name ${problem}`)
      if (typeof value !== "string") this.#refuse(`tags.${excerpt(name)}`, `is ${kindOf(value)}, but tags are texts`)
    }
    if (this.#mistakes.count > this.#mistakesBefore) return "{}"
    const canonical = canonicalTags(tags as Readonly<Record<string, string>>)
    if (canonical.length > maxTagsLength)
      this.#refuse("tags", `have ${canonical.length} characters as JSON, the limit is ${maxTagsLength}`)
    return canonical
  }

  #timeOf(time: JsonValue): number {
    if (typeof time === "number" || time instanceof ExactInteger) {
      const ms = typeof time === "number" ? time : Number(time.digits)
      const us = Math.round(ms * 1000)
      if (isCarriedTime(us)) return us
      this.#refuse("time", msProblem(ms))
    } else if (typeof time === "string") {
      const us = parseIsoTime(time)
      if (isCarriedTime(us)) return us
      const problem = Number.isNaN(us) ? "is no ISO 8601 time with a zone" : "is beyond the years 1684 to 2255"
      this.#refuse("time", `${excerpt(time)} ${problem}, like 2026-03-01T12:00:00.123456Z`)
    } else this.#refuse("time", `is ${kindOf(time)}, but has to be an ISO 8601 text or a number of ms since 1970`)
    return 0
  }

  #qualityOf(quality: JsonValue): number {
    if (typeof quality === "number" && Number.isInteger(quality) && (quality & ~knownQuality) === 0) return quality
    this.#refuse("quality", `has to be a whole number from 0 (good) to ${knownQuality}; 4 marks a doubtful reading`)
    return 0
  }

  /** @param path below the reading at hand. */
  #refuse(path: string, reason: string): void {
    const place = this.#place
    this.addMistake(place === "" ? path : place.endsWith("]") ? `${place}.${path}` : `${place}: ${path}`, reason)
  }
}

const readingHint =
  'A reading is {"device": "…", "property": "…", "value": …}, or {"device": "…", "values": {"…": …}}, ' +
  "with time, tags and quality where wanted; see docs/guide/ingest.md."

export function tooManyReadings(limit: number): FogError {
  return new FogError("readings_too_many", {
    message: `The payload has more than ${limit} readings or lines; nothing was stored`,
    hint: "Send them in several requests.",
  })
}

function kindOf(value: JsonValue): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  if (value instanceof ExactInteger || typeof value === "number") return "a number"
  if (typeof value === "string") return "a text"
  return typeof value === "boolean" ? "a boolean" : "an object"
}

/** What an unknown field may have been meant to be. */
function suggestion(field: string): string {
  const name = field.toLowerCase()
  if (Object.hasOwn(otherNames, name)) return otherNames[name]!
  for (const known of knownFields) if (isOneEditAway(name, known)) return `did you mean ${known}?`
  return `a reading has ${[...knownFields].join(", ")}`
}

/** Equal but for one character that is wrong, missing, too many, or swapped with its neighbour. */
function isOneEditAway(given: string, wanted: string): boolean {
  if (Math.abs(given.length - wanted.length) > 1) return false
  let start = 0
  while (start < wanted.length && given[start] === wanted[start]) start++
  const rest = (text: string, from: number): string => text.slice(from)
  if (given.length !== wanted.length)
    return given.length > wanted.length
      ? rest(given, start + 1) === rest(wanted, start)
      : rest(given, start) === rest(wanted, start + 1)
  const swapped = given[start] === wanted[start + 1] && given[start + 1] === wanted[start]
  return (
    rest(given, start + 1) === rest(wanted, start + 1) ||
    (swapped && rest(given, start + 2) === rest(wanted, start + 2))
  )
}
