/**
 * Payloads of one topic into readings. The hot path of MQTT: a number of a known topic costs neither string nor object,
 * a flat object of known keys what its texts cost; everything else is decoded and parsed exactly.
 */
import { isUtf8 } from "node:buffer"
import { isFogError, type Principal, type ReadingBatch, type Series, type SeriesCache } from "@brume/core"
import type { DeviceScopes } from "../device-scope.ts"
import type { DecimalReader } from "../payload/decimal.ts"
import { JsonFault } from "../payload/exact-json.ts"
import { parseJsonText, placeOf } from "../payload/json-text.ts"
import type { PayloadLimits } from "../payload/limits.ts"
import { excerpt } from "../payload/mistakes.ts"
import { clockQuality } from "../payload/time.ts"
import { FlatScanner, isJsonNumber } from "./flat-scanner.ts"
import { JsonReadings } from "./json-readings.ts"
import type { Refusal, TopicMapping } from "./mapping.ts"
import { booleanOf, isNotANumber, looseNumber } from "./plain-values.ts"
import { stageSenml } from "./senml-readings.ts"
import { SeriesNames } from "./series-names.ts"
import type { Stage } from "./stage.ts"
import type { TopicPlan } from "./topic-plan.ts"

/** What all topics of a mapper share; one payload is read at a time. */
export interface Shared {
  readonly series: SeriesCache
  readonly limits: PayloadLimits
  readonly decimal: DecimalReader
  readonly stage: Stage
  readonly scopes: DeviceScopes
}

export class TopicReadings implements TopicMapping {
  readonly name: string
  readonly device: string | undefined
  readonly #plan: TopicPlan
  readonly #shared: Shared
  readonly #takesNumbers: boolean
  readonly #takesObjects: boolean
  readonly #isScaled: boolean
  // Made when a payload wants them: many topics carry numbers alone, and some nothing that is taken.
  #own: Series | undefined
  #scanner: FlatScanner | undefined
  #json: JsonReadings | undefined

  constructor(plan: TopicPlan, shared: Shared) {
    const { name, property, payload, select, multiply, add } = plan
    this.name = name
    // The names of a SenML pack are its own.
    this.device = payload === "senml" ? undefined : plan.device
    this.#plan = plan
    this.#shared = shared
    this.#takesObjects = payload === "auto" || payload === "json"
    this.#takesNumbers = property !== undefined && select === undefined && (this.#takesObjects || payload === "number")
    this.#isScaled = multiply !== 1 || add !== 0
  }

  add(
    batch: ReadingBatch,
    bytes: Buffer,
    start: number,
    end: number,
    receivedUs: number,
    principal?: Principal,
  ): number | Refusal {
    const limited = principal?.devices === undefined ? undefined : principal
    if (
      this.#takesNumbers &&
      (limited === undefined || this.#shared.scopes.allows(limited, this.#ownSeries())) &&
      this.#addNumber(batch, bytes, start, end, receivedUs)
    )
      return 1
    if (end - start > this.#shared.limits.sizeBytes)
      return { reason: `has ${end - start} bytes, the limit is ${this.#shared.limits.sizeBytes}` }
    const { stage } = this.#shared
    stage.clear()
    if (this.#scanner === undefined || !this.#scanner.scan(bytes, start, end, receivedUs)) {
      stage.clear()
      const problem = this.#read(bytes, start, end, receivedUs)
      if (problem !== undefined) return { reason: problem }
    }
    if (this.#isScaled && !stage.scale(this.#plan.multiply, this.#plan.add))
      return { reason: "has a number that is too large once it is scaled" }
    if (limited !== undefined)
      for (let row = 0; row < stage.count; row++) {
        const series = stage.seriesAt(row)
        if (!this.#shared.scopes.allows(limited, series)) return notAllowed(limited, series)
      }
    return stage.commit(batch, receivedUs)
  }

  /** The series of plain values, where the topic has a property. */
  #ownSeries(): Series {
    const { device = "", property = "", tags } = this.#plan
    this.#own ??= this.#shared.series.get(device, property, tags)
    return this.#own
  }

  #readerOfJson(): JsonReadings {
    const plan = this.#plan
    const { series, decimal, stage, limits } = this.#shared
    const names = new SeriesNames(series, plan.device ?? "", plan.tags)
    const scanner = new FlatScanner({ decimal, stage, time: plan.time, textLength: limits.textLength })
    // Payloads that are numbers or booleans in other words are JSON only once they are read.
    if (this.#takesObjects) this.#scanner = scanner
    this.#json = new JsonReadings({ plan, names, stage, limits, scanner })
    return this.#json
  }

  /** A payload that is a number and nothing else. */
  #addNumber(batch: ReadingBatch, bytes: Buffer, start: number, end: number, receivedUs: number): boolean {
    const { decimal } = this.#shared
    if (decimal.read(bytes, start, end) !== end || !isJsonNumber(bytes, start, end, decimal.isInteger)) return false
    if (decimal.isInteger && !decimal.isExact) return false
    const value = this.#isScaled ? decimal.value * this.#plan.multiply + this.#plan.add : decimal.value
    if (!Number.isFinite(value)) return false
    batch.addNumber(this.#own ?? this.#ownSeries(), receivedUs, value, clockQuality(receivedUs, receivedUs))
    return true
  }

  /** Stages what the scanner does not take. A problem continues a sentence that began with the payload. */
  #read(bytes: Buffer, start: number, end: number, receivedUs: number): string | undefined {
    if (start === end) return undefined
    if (this.#plan.payload === "senml") return this.#readSenml(bytes.subarray(start, end), receivedUs)
    const text = decode(bytes, start, end)
    if (text === undefined) return "is not valid UTF-8"
    switch (this.#plan.payload) {
      case "number":
        return this.#readNumber(text, receivedUs)
      case "boolean":
        return this.#readBoolean(text, receivedUs)
      case "text":
        return this.#readText(text, receivedUs)
      case "json":
        return this.#readJson(text, receivedUs)
      default:
        return this.#readAny(text, receivedUs)
    }
  }

  #readJson(text: string, receivedUs: number): string | undefined {
    try {
      const document = parseJsonText(text, 0, text.length, this.#shared.limits.depth)
      return (this.#json ?? this.#readerOfJson()).take(document, receivedUs)
    } catch (fault) {
      if (fault instanceof JsonFault) return `${fault.message} (${placeOf(fault, text)})`
      throw fault
    }
  }

  /** JSON where it looks like it, else a text. */
  #readAny(text: string, receivedUs: number): string | undefined {
    const plain = text.trim()
    const first = plain[0]
    if (first === "{" || first === "[" || first === '"') return this.#readJson(text, receivedUs)
    if (plain === "true" || plain === "false" || plain === "null") return this.#readJson(plain, receivedUs)
    if (isNotANumber(plain)) return `is ${plain}, which is no number that a reading can have`
    if (/^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/.test(plain)) return this.#readJson(plain, receivedUs)
    return this.#readText(text, receivedUs)
  }

  #readNumber(text: string, receivedUs: number): string | undefined {
    const json = looseNumber(text.trim())
    return json === undefined ? `is ${excerpt(text)}, which is no number` : this.#readJson(json, receivedUs)
  }

  #readBoolean(text: string, receivedUs: number): string | undefined {
    const json = booleanOf(text.trim())
    return json === undefined
      ? `is ${excerpt(text)}, which is no boolean (true, false, on, off, yes, no, 1, 0)`
      : this.#readJson(json, receivedUs)
  }

  #readText(text: string, receivedUs: number): string | undefined {
    const { stage, limits } = this.#shared
    if (this.#plan.property === undefined)
      return `is ${excerpt(text)}, but a topic without a property takes a JSON object`
    if (this.#plan.select !== undefined) return `is ${excerpt(text)}, but the mapping selects members of an object`
    if (text.length > limits.textLength) return `has ${text.length} characters, the limit is ${limits.textLength}`
    stage.addText(this.#own ?? this.#ownSeries(), text)
    stage.stamp(receivedUs)
    return undefined
  }

  #readSenml(bytes: Buffer, receivedUs: number): string | undefined {
    const { series, limits, stage } = this.#shared
    try {
      return stageSenml(stage, bytes, { series, limits, receivedUs }, this.#plan)
    } catch (error) {
      if (isFogError(error)) return `is refused as SenML: ${error.message}`
      throw error
    }
  }
}

function notAllowed(principal: Principal, series: Series): Refusal {
  return { reason: `has a reading of ${excerpt(series.device, 120)}, which the token ${principal.name} may not write` }
}

/** The text between two places, without a byte order mark; undefined when it is not UTF-8. */
function decode(bytes: Buffer, start: number, end: number): string | undefined {
  let at = start
  while (at < end && bytes[at]! < 0x80) at++
  if (at === end) return bytes.toString("latin1", start, end)
  if (!isUtf8(bytes.subarray(start, end))) return undefined
  const hasMark = bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf
  return bytes.toString("utf8", hasMark ? start + 3 : start, end)
}
