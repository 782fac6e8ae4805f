/** Alarms and their events as the log has them: records of kind `state`, JSON with a number that says which. */
import type { AlarmEvent, AlarmInfo, KeyedRecord } from "@brume/core"

const formatVersion = 1
const alarmPrefix = "alarm/"
const eventPrefix = "alarm-event/"

/** With the key of the effect that changed it last. */
export interface StoredAlarm {
  readonly alarm: AlarmInfo
  readonly effect: string | undefined
}

export function alarmRecord({ alarm, effect }: StoredAlarm): KeyedRecord {
  return record(alarmPrefix + alarm.id, { v: formatVersion, effect, alarm })
}

export function noAlarmRecord(id: string): KeyedRecord {
  return { kind: "state", key: alarmPrefix + id, value: undefined }
}

export function eventRecord(event: AlarmEvent): KeyedRecord {
  return record(eventPrefix + event.number, { v: formatVersion, event })
}

export function noEventRecord(number: number): KeyedRecord {
  return { kind: "state", key: eventPrefix + number, value: undefined }
}

export function eventKey(number: number): string {
  return eventPrefix + number
}

export function isAlarmKey(key: string): boolean {
  return key.startsWith(alarmPrefix)
}

export function isEventKey(key: string): boolean {
  return key.startsWith(eventPrefix)
}

/** Undefined when these are not the bytes of an alarm. */
export function decodeAlarm(value: Uint8Array): StoredAlarm | undefined {
  const found = parse(value) as { alarm?: Partial<AlarmInfo>; effect?: string } | undefined
  const { alarm, effect } = found ?? {}
  if (typeof alarm?.id !== "string" || typeof alarm.raised !== "number" || typeof alarm.count !== "number")
    return undefined
  if (alarm.state !== "raised" && alarm.state !== "cleared") return undefined
  return { alarm: alarm as AlarmInfo, effect }
}

/** Undefined when these are not the bytes of an event. */
export function decodeEvent(value: Uint8Array): AlarmEvent | undefined {
  const { event } = (parse(value) ?? {}) as { event?: Partial<AlarmEvent> }
  if (typeof event?.number !== "number" || typeof event.alarm?.id !== "string") return undefined
  return event as AlarmEvent
}

function parse(value: Uint8Array): object | undefined {
  try {
    const found = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString()) as { v?: number }
    return found.v === formatVersion ? found : undefined
  } catch {
    return undefined
  }
}

function record(key: string, value: object): KeyedRecord {
  return { kind: "state", key, value: Buffer.from(JSON.stringify(value)) }
}
