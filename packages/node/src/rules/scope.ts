/** What expressions of rules read: variables by what a rule listens to. */
import { type ReadingBatch, type Series, valueKind } from "@brume/core"
import { Expressions } from "./expression/expression.ts"
import type { Variables } from "./expression/language.ts"
import { type Remembered, rememberedOf, wasSame } from "./remembered.ts"

/** Characters of JSON that rules look into; longer texts count as absent, so that no condition takes long. */
const maxJsonLength = 65_536

const readingVariables: Variables = {
  value: "double",
  text: "string",
  json: "dyn",
  device: "string",
  property: "string",
  tags: "map<string, string>",
  time: "timestamp",
  previous: "dyn",
}
const topicVariables: Variables = {
  topic: "string",
  text: "string",
  payload: "dyn",
  time: "timestamp",
  previous: "dyn",
}
const timeVariables: Variables = { time: "timestamp" }

export const readingExpressions: Expressions = new Expressions(readingVariables, ["value", "text", "json"])
export const topicExpressions: Expressions = new Expressions(topicVariables, ["text", "payload"])
export const timeExpressions: Expressions = new Expressions(timeVariables)

/** What happened to a series or on a topic, and what of it is remembered. */
export interface Scene {
  /** By the device's clock, µs since 1970 UTC. */
  readonly timeUs: number
  previousSeen: Remembered | undefined
  remembered(): Remembered
  isSameAs(earlier: Remembered): boolean
}

/** One reading at a time, the same object for all of them. */
export class ReadingScope implements Scene {
  value: number | undefined = undefined
  text: string | undefined = undefined
  device = ""
  property = ""
  readonly topic: undefined
  previousSeen: Remembered | undefined = undefined
  timeUs = 0
  #series: Series | undefined
  #raw: string | undefined
  #json: unknown
  #tags: Readonly<Record<string, string>> | undefined

  take(batch: ReadingBatch, row: number, series: Series): void {
    const kind = batch.kind[row]!
    this.value = (kind & valueKind.number) === 0 ? undefined : batch.value[row]!
    const payload = kind === valueKind.number ? undefined : (batch.payload?.[row] ?? undefined)
    this.text = (kind & valueKind.text) === 0 ? undefined : payload
    this.#raw = (kind & valueKind.json) === 0 ? undefined : payload
    this.#json = undefined
    this.timeUs = batch.time[row]!
    this.#of(series)
  }

  /** What was seen earlier. */
  recall(series: Series, seen: Remembered): void {
    this.value = seen.value
    this.text = seen.text
    this.#raw = seen.json
    this.#json = undefined
    this.timeUs = seen.time
    this.#of(series)
  }

  get json(): unknown {
    if (this.#json === undefined && this.#raw !== undefined && this.#raw.length <= maxJsonLength)
      this.#json = JSON.parse(this.#raw)
    return this.#json
  }

  get tags(): Readonly<Record<string, string>> {
    this.#tags ??= JSON.parse(this.#series!.tags) as Record<string, string>
    return this.#tags
  }

  get time(): Date {
    return new Date(this.timeUs / 1_000)
  }

  get previous(): unknown {
    const seen = this.previousSeen
    if (seen === undefined) return null
    const { value, text, json, time } = seen
    return {
      ...(value === undefined ? {} : { value }),
      ...(text === undefined ? {} : { text }),
      ...(json === undefined ? {} : { json: JSON.parse(json) }),
      time: new Date(time / 1_000),
    }
  }

  remembered(): Remembered {
    return rememberedOf({ value: this.value, text: this.text, json: this.#raw, time: this.timeUs })
  }

  isSameAs(earlier: Remembered): boolean {
    return wasSame(earlier, { value: this.value, text: this.text, json: this.#raw })
  }

  #of(series: Series): void {
    this.previousSeen = undefined
    if (this.#series === series) return
    this.#series = series
    this.device = series.device
    this.property = series.property
    this.#tags = undefined
  }
}

/** A message on a topic, or what is remembered of one. */
export class TopicScope implements Scene {
  readonly topic: string
  readonly timeUs: number
  /** The payload as text; absent when it is none, or too long. */
  readonly text: string | undefined
  readonly value: undefined
  previousSeen: Remembered | undefined = undefined
  #payload: unknown

  constructor(topic: string, text: string | undefined, timeUs: number) {
    this.topic = topic
    this.text = text
    this.timeUs = timeUs
  }

  /** The payload as JSON; as text where it is no JSON. */
  get payload(): unknown {
    if (this.text !== undefined) this.#payload ??= parsed(this.text)
    return this.#payload
  }

  get time(): Date {
    return new Date(this.timeUs / 1_000)
  }

  get previous(): unknown {
    const seen = this.previousSeen
    if (seen === undefined) return null
    const { text, time } = seen
    return {
      ...(text === undefined ? {} : { text, payload: parsed(text) }),
      time: new Date(time / 1_000),
    }
  }

  remembered(): Remembered {
    return rememberedOf({ text: this.text, time: this.timeUs })
  }

  isSameAs(earlier: Remembered): boolean {
    return wasSame(earlier, { text: this.text })
  }
}

/** The text of a payload, where it is one that rules look into. */
export function textOfPayload(bytes: Uint8Array): string | undefined {
  if (bytes.length > maxJsonLength) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8")
  return text.includes("\ufffd") ? undefined : text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
