/** What functions are called with, by what caused the call. Times are ISO 8601 in UTC. */
import type { Reading } from "@brume/core"

export interface TopicMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface MessageEvent {
  readonly type: "message"
  readonly topic: string
  /** JSON where it is JSON, else a text; missing where it is neither. */
  readonly payload?: unknown
  /** What is no text. */
  readonly payloadBase64?: string
  readonly time: string
}

export interface ReadingEvent {
  readonly type: "reading"
  readonly device: string
  readonly property: string
  readonly value: unknown
  readonly time: string
  readonly tags: unknown
  readonly quality: number
}

export interface ScheduleEvent {
  readonly type: "schedule"
  /** The time that was due. */
  readonly time: string
}

/** @param now when it was received, µs since 1970 UTC */
export function messageEvent({ topic, payload }: TopicMessage, now: number): MessageEvent {
  return { type: "message", topic, ...payloadOf(payload), time: isoTime(now) }
}

export function readingEvent(reading: Reading): ReadingEvent {
  const { device, property, value, text, json, time, tags, quality } = reading
  return {
    type: "reading",
    device,
    property,
    value: json === null ? (text ?? value) : JSON.parse(json),
    time: isoTime(time),
    tags: JSON.parse(tags),
    quality,
  }
}

export function scheduleEvent(timeUs: number): ScheduleEvent {
  return { type: "schedule", time: isoTime(timeUs) }
}

function payloadOf(payload: Uint8Array): Pick<MessageEvent, "payload" | "payloadBase64"> {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(payload)
  } catch {
    return { payloadBase64: Buffer.from(payload).toString("base64") }
  }
  try {
    return { payload: JSON.parse(text) }
  } catch {
    return { payload: text }
  }
}

function isoTime(us: number): string {
  const ms = Math.floor(us / 1_000)
  return `${new Date(ms).toISOString().slice(0, -1)}${String(us - ms * 1_000).padStart(3, "0")}Z`
}
