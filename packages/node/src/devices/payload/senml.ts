/**
 * SenML packs in JSON, `application/senml+json` [RFC 8428]. Section numbers below are the RFC's.
 *
 * What the RFC leaves to applications is decided so: the resolved name is split into device and property by
 * {@link splitName}; the unit becomes the tag `unit`, because packs tell series of one name apart by it (5.1.3); a sum
 * becomes a reading of its own, property `<property>.sum`, unit `<unit>.s`; a data value stays base64url text; an
 * update time is checked and not stored.
 */
import { canonicalTags, maxNameLength, nameProblem, ReadingBatch, type Series } from "@brume/core"
import { ExactInteger, isJsonObject, type JsonObject, type JsonValue } from "./exact-json.ts"
import { parseWholeJson } from "./json.ts"
import { excerpt, Mistakes } from "./mistakes.ts"
import type { PayloadContext } from "./payload.ts"
import { tooManyReadings } from "./reading-collector.ts"
import { clockQuality, isCarriedTime } from "./time.ts"

/** The version that a pack has when it names none, and the newest that is understood here (4.4, RFC 9100). */
const newestVersion = 10
/** Seconds below this are relative to now (4.5.3). */
const firstAbsoluteTime = 2 ** 28

/** Labels of 4.3 by the JSON type of their value (table 2). */
const labelTypes: Readonly<Record<string, "string" | "number" | "boolean">> = {
  bn: "string",
  bt: "number",
  bu: "string",
  bv: "number",
  bs: "number",
  bver: "number",
  n: "string",
  u: "string",
  v: "number",
  vs: "string",
  vb: "boolean",
  vd: "string",
  s: "number",
  t: "number",
  ut: "number",
}

/** A record whose labels were checked. */
interface Labels {
  readonly bn?: string
  readonly bt?: number | ExactInteger
  readonly bu?: string
  readonly bv?: number | ExactInteger
  readonly bs?: number | ExactInteger
  readonly bver?: number | ExactInteger
  readonly n?: string
  readonly u?: string
  readonly v?: number | ExactInteger
  readonly vs?: string
  readonly vb?: boolean
  readonly vd?: string
  readonly s?: number | ExactInteger
  readonly t?: number | ExactInteger
}

const valueLabels = ["v", "vs", "vb", "vd"] as const

/** @param baseName in force until a record brings one, where what carried the pack names the device. */
export function parseSenml(bytes: Uint8Array, context: PayloadContext, baseName = ""): ReadingBatch {
  const { value: pack } = parseWholeJson(bytes, context)
  const reader = new PackReader(context, baseName)
  if (!Array.isArray(pack)) reader.mistakes.add("", "the payload is no array of records, which a SenML pack is (5)")
  else {
    if (pack.length > context.limits.readings) throw tooManyReadings(context.limits.readings)
    for (let index = 0; index < pack.length && !reader.mistakes.isFull; index++) reader.read(pack[index]!, `[${index}]`)
  }
  return reader.finish()
}

/**
 * Device and property of a resolved name: split at the last `/` or `:`, so that `urn:dev:ow:10e2073a01080063:temp` is
 * `temp` of that device. Not split, and then the property `value`, are an address alone (`2001:db8::3`) and a device
 * URN without anything behind its identifier (`urn:dev:ow:10e2073a01080063`, RFC 9039). Two packs that resolve to
 * the same name meet in the same series, however they divide it between `bn` and `n`.
 */
export function splitName(name: string): { readonly device: string; readonly property: string } {
  const isAddress = /^[0-9A-Fa-f.:]*$/.test(name) && name.split(":").length > 2
  if (isAddress) return { device: name, property: "value" }
  const whole = name.endsWith("/") || name.endsWith(":") ? name.slice(0, -1) : name
  const cut = Math.max(whole.lastIndexOf("/"), whole.lastIndexOf(":"))
  const isDeviceUrn = /^urn:dev:[^:/]*(?::[^:/]*)?$/.test(whole)
  if (cut <= 0 || isDeviceUrn) return { device: whole, property: "value" }
  return { device: whole.slice(0, cut), property: whole.slice(cut + 1) }
}

/** Resolves records one after the other (4.6); base fields stay in force from the record that brings them. */
class PackReader {
  readonly mistakes = new Mistakes()
  readonly #context: PayloadContext
  readonly #batch = new ReadingBatch()
  /** Series of this pack by name, unit and whether it is the sum; as many as it has readings at most. */
  readonly #series = new Map<string, Series>()
  #baseName: string
  #baseTime = 0
  #baseUnit: string | undefined
  #baseValue: number | ExactInteger = 0
  #baseSum: number | ExactInteger | undefined
  #version: number | undefined

  constructor(context: PayloadContext, baseName: string) {
    this.#context = context
    this.#baseName = baseName
  }

  finish(): ReadingBatch {
    if (this.mistakes.count === 0 && this.#batch.length === 0) this.mistakes.add("", "the pack has no measurement")
    if (this.mistakes.count > 0) throw this.mistakes.toError("Nothing was stored", "SenML is described in RFC 8428.")
    return this.#batch
  }

  read(record: JsonValue, place: string): void {
    const before = this.mistakes.count
    if (!isJsonObject(record)) this.mistakes.add(place, "is no object, which a SenML record is (5)")
    else {
      for (const label in record) if (!this.mistakes.isFull) this.#checkLabel(label, record[label]!, place)
      if (this.mistakes.count > before) return
      const problem = this.#takeBases(record) ?? (isOnlyBases(record) ? undefined : this.#resolve(record))
      if (problem !== undefined) this.mistakes.add(place, problem)
    }
  }

  #checkLabel(label: string, value: JsonValue, place: string): void {
    const type = Object.hasOwn(labelTypes, label) ? labelTypes[label] : undefined
    if (type === undefined) {
      if (label.endsWith("_"))
        this.mistakes.add(place, `has ${excerpt(label)}, which has to be understood (4.4) and is not known here`)
      return
    }
    const given = value instanceof ExactInteger ? "number" : typeof value
    if (given !== type) this.mistakes.add(`${place}.${label}`, `has to be a ${type} (5)`)
  }

  #takeBases(record: JsonObject): string | undefined {
    const { bn, bt, bu, bv, bs, bver } = record as Labels
    if (bn !== undefined) this.#baseName = bn
    if (bt !== undefined) this.#baseTime = toNumber(bt)
    if (bu !== undefined) this.#baseUnit = bu
    if (bv !== undefined) this.#baseValue = bv
    if (bs !== undefined) this.#baseSum = bs
    if (bver === undefined) return undefined
    const version = toNumber(bver)
    if (!Number.isInteger(version) || version < 1) return "has a bver that is no positive integer (4.1)"
    if (version > newestVersion) return `has bver ${version}; the newest understood here is ${newestVersion} (4.4)`
    if (version !== (this.#version ?? version)) return "has another bver than an earlier record; a pack has one (4.4)"
    this.#version = version
    return undefined
  }

  #resolve(record: JsonObject): string | undefined {
    const labels = record as Labels
    const name = this.#baseName + (labels.n ?? "")
    if (name.length > maxNameLength) return `resolves to a name longer than ${maxNameLength} characters`
    if (!/^[A-Za-z0-9][-A-Za-z0-9:./_]*$/.test(name))
      return `resolves to the name ${excerpt(name)}; a name has letters, digits and - : . / _ and begins with one of the first two (4.5.1)`
    const time = this.#timeOf(labels.t)
    if (!isCarriedTime(time)) return "resolves to a time beyond the years 1684 to 2255"
    const unit = labels.u ?? this.#baseUnit
    const valueCount = valueLabels.filter((label) => labels[label] !== undefined).length
    const hasSum = labels.s !== undefined || this.#baseSum !== undefined
    if (valueCount > 1) return "has more than one of v, vs, vb and vd (4.2)"
    if (valueCount === 0 && !hasSum) return "has no value and no sum (4.2)"
    if (valueCount === 1) {
      const series = this.#seriesOf(name, unit, false)
      const problem = typeof series === "string" ? series : this.#addValue(series, time, labels)
      if (problem !== undefined) return problem
    }
    if (!hasSum) return undefined
    const series = this.#seriesOf(name, unit, true)
    return typeof series === "string" ? series : this.#addNumber(series, time, add(this.#baseSum ?? 0, labels.s ?? 0))
  }

  /** Sum of time and base time, relative ones to when the pack was received (4.5.3). */
  #timeOf(time: number | ExactInteger | undefined): number {
    const seconds = this.#baseTime + (time === undefined ? 0 : toNumber(time))
    const micros = Math.round(seconds * 1_000_000)
    return seconds < firstAbsoluteTime ? this.#context.receivedUs + micros : micros
  }

  /** The series of a name's values or sums, or why there is none. */
  #seriesOf(name: string, unit: string | undefined, isSum: boolean): Series | string {
    // Names have no spaces.
    const key = `${isSum ? "s" : "v"} ${name} ${unit ?? ""}`
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const { device, property: plain } = splitName(name)
    const property = isSum ? `${plain}.sum` : plain
    const problem = nameProblem(device) ?? nameProblem(property) ?? (unit ? nameProblem(unit) : undefined)
    if (problem !== undefined) return `resolves to a name or unit that ${problem}`
    const tags = unit ? canonicalTags({ unit: isSum ? `${unit}.s` : unit }) : "{}"
    const series = this.#context.series.get(device, property, tags)
    this.#series.set(key, series)
    return series
  }

  #addValue(series: Series, time: number, { v, vs, vb, vd }: Labels): string | undefined {
    if (v !== undefined) return this.#addNumber(series, time, add(this.#baseValue, v))
    const quality = this.#admit(time)
    if (vb !== undefined) {
      this.#batch.addJson(series, time, String(vb), quality)
      return undefined
    }
    const text = vs ?? vd ?? ""
    const { textLength } = this.#context.limits
    if (text.length > textLength) return `has a text of ${text.length} characters, the limit is ${textLength}`
    if (vd !== undefined && (!/^[-\w]*$/.test(vd) || vd.length % 4 === 1))
      return "has a vd that is no base64url without padding (4.3)"
    this.#batch.addText(series, time, text, quality)
    return undefined
  }

  #addNumber(series: Series, time: number, value: number | ExactInteger): string | undefined {
    const quality = this.#admit(time)
    if (!Number.isFinite(toNumber(value))) return "resolves to a value too large for a number"
    if (value instanceof ExactInteger) this.#batch.addBigInteger(series, time, value.digits, quality)
    else this.#batch.addNumber(series, time, value, quality)
    return undefined
  }

  /** Quality of one more reading. Throws when it is one too many. */
  #admit(time: number): number {
    const { limits, receivedUs } = this.#context
    if (this.#batch.length >= limits.readings) throw tooManyReadings(limits.readings)
    return clockQuality(time, receivedUs)
  }
}

/** A record of base fields alone prepares those that follow, as in 5.1.7. */
function isOnlyBases(record: JsonObject): boolean {
  return Object.keys(record).every((label) => label.startsWith("b") || !Object.hasOwn(labelTypes, label))
}

function toNumber(value: number | ExactInteger): number {
  return typeof value === "number" ? value : Number(value.digits)
}

/** Sum of a base and a value (4.5.4), exact where both are integers. */
function add(base: number | ExactInteger, value: number | ExactInteger): number | ExactInteger {
  if (base === 0) return value
  if (typeof base === "number" && typeof value === "number") {
    const sum = base + value
    if (Number.isSafeInteger(sum) || !Number.isInteger(base) || !Number.isInteger(value)) return sum
  }
  const exact = (part: number | ExactInteger): bigint | undefined =>
    part instanceof ExactInteger ? BigInt(part.digits) : Number.isSafeInteger(part) ? BigInt(part) : undefined
  const exactBase = exact(base)
  const exactValue = exact(value)
  if (exactBase === undefined || exactValue === undefined) return toNumber(base) + toNumber(value)
  const sum = exactBase + exactValue
  return Number.isSafeInteger(Number(sum)) ? Number(sum) : new ExactInteger(String(sum))
}
