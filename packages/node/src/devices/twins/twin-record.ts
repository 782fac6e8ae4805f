/** Halves of twins in the log, and on their topics. */
import type { Json, JsonObject, KeyedRecord, TwinState } from "@brume/core"
import { isObject } from "./merge.ts"

export type HalfName = "desired" | "reported"

const prefix = "twin/"
const formatVersion = 1

export function twinRecord(device: string, half: HalfName, state: TwinState): KeyedRecord {
  const value = Buffer.from(JSON.stringify({ v: formatVersion, ...state }))
  return { kind: "state", key: `${prefix}${half}/${device}`, value }
}

/** Undefined for keys that are no twin's. */
export function parseTwinKey(key: string): { readonly device: string; readonly half: HalfName } | undefined {
  const [, half, device] = /^twin\/(desired|reported)\/(.+)$/s.exec(key) ?? []
  return device === undefined ? undefined : { device, half: half as HalfName }
}

/** Undefined when these are not the bytes of a half. */
export function decodeState(bytes: Uint8Array): TwinState | undefined {
  try {
    const { v, version, values, time } = JSON.parse(Buffer.from(bytes).toString()) as TwinState & { readonly v: number }
    const isGood = v === formatVersion && Number.isSafeInteger(version) && Number.isFinite(time) && isObject(values)
    return isGood ? { version, values, time } : undefined
  } catch {
    return undefined
  }
}

export function desiredTopic(device: string): string {
  return `devices/${device}/desired`
}

/** Whose `reported` topic it is. */
export function reporterOf(topic: string): string | undefined {
  return /^devices\/(.+)\/reported$/s.exec(topic)?.[1]
}

/** What devices read: the values, with their version beside them. */
export function desiredPayload({ version, values }: TwinState): Buffer {
  return Buffer.from(JSON.stringify({ ...values, [versionMember]: version }))
}

const versionMember = "$version"

/** The patch that a device reports; undefined when it is none. Members that begin with `$` say something about it. */
export function parseReported(payload: Uint8Array): JsonObject | undefined {
  let said: Json
  try {
    said = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()) as Json
  } catch {
    return undefined
  }
  if (!isObject(said)) return undefined
  return Object.fromEntries(Object.entries(said).filter(([name]) => !name.startsWith("$")))
}
