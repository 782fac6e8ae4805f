/** What the log knows of a rule's windows (V2): up to where they have been told. */
import type { KeyedRecord } from "@brume/core"

export interface Told {
  /** Windows that were due by then have been told. µs since 1970 UTC. */
  readonly toUs: number
  /** Late readings of before this sequence are in a result, or were dropped. */
  readonly throughSeq: number
  /** The life of the log that the sequence is of. */
  readonly epoch: string
  /** Of which windows. */
  readonly of: string
}

const prefix = "window/"

export function toldKey(rule: string): string {
  return `${prefix}${rule}`
}

/** The rule of a key; undefined for keys of others. */
export function ruleOfToldKey(key: string): string | undefined {
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined
}

export function toldRecord(rule: string, told: Told): KeyedRecord {
  return { kind: "state", key: toldKey(rule), value: Buffer.from(JSON.stringify(told)) }
}

export function forgetTold(rule: string): KeyedRecord {
  return { kind: "state", key: toldKey(rule), value: undefined }
}

/** Undefined for what another version wrote and this one does not understand. */
export function parseTold(bytes: Uint8Array | undefined): Told | undefined {
  if (bytes === undefined) return undefined
  try {
    const told = JSON.parse(Buffer.from(bytes).toString("utf8")) as Partial<Told>
    const { toUs, throughSeq, epoch, of } = told
    if (!Number.isSafeInteger(toUs) || !Number.isSafeInteger(throughSeq)) return undefined
    return typeof epoch === "string" && typeof of === "string" ? (told as Told) : undefined
  } catch {
    return undefined
  }
}
