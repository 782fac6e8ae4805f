/**
 * An effect as the log has it: a JSON list, as a hundred thousand of them are remembered. What is to be done is in it only
 * while it may still be attempted from here: the intent of a function or webhook.
 */
import {
  type Action,
  actionTypes,
  type Effect,
  type EffectInfo,
  type EffectOutcome,
  effectStates,
  type FunctionAction,
  type KeyedRecord,
  type WebhookAction,
} from "@brume/core"

/** What can be attempted again from its record alone. */
export type Attemptable = FunctionAction | WebhookAction

export interface EffectRecord extends EffectInfo {
  readonly action?: Attemptable | undefined
  /**
   * The attempt that is due has certainly not begun. Without it, an intent without outcome may have been carried out.
   */
  readonly isUntouched?: boolean
}

const prefix = "effect/"
const formatVersion = 1
/** Longest target and message that are kept, UTF-16 code units. A command's target is never cut: it names the device. */
const maxTargetLength = 256
const maxMessageLength = 512

export function recordKeyOf(key: string): string {
  return prefix + key
}

export function isEffectKey(recordKey: string): boolean {
  return recordKey.startsWith(prefix)
}

export function keyOfRecord(recordKey: string): string {
  return recordKey.slice(prefix.length)
}

export function intentOf({ key, source, action, created }: Effect): EffectRecord {
  const intent = {
    key,
    source,
    type: action.type,
    target: targetOf(action),
    state: "pending",
    attempts: 0,
    created,
  } as const
  return isAttemptable(action) ? { ...intent, action } : intent
}

/** The same effect when it has ended; at most one outcome of each follows an intent. */
export function endedRecord(
  { key, source, type, target, attempts, created }: EffectRecord,
  { state, code, message }: EffectOutcome,
  ended: number,
): EffectRecord {
  const said = message === undefined ? {} : { message: cut(message, maxMessageLength) }
  return {
    key,
    source,
    type,
    target,
    state,
    attempts,
    created,
    ended,
    ...(code === undefined ? {} : { code }),
    ...said,
  }
}

export function encodeEffect(record: EffectRecord): KeyedRecord {
  const { key, source, type, target, state, attempts, created, ended, code, message, action, isUntouched } = record
  const list: unknown[] = [formatVersion, source, type, target, state, attempts, created]
  if (state !== "pending") list.push(ended, code ?? null, message ?? null)
  else if (action !== undefined) list.push(isUntouched === true ? 1 : 0, action)
  return { kind: "effect", key: recordKeyOf(key), value: Buffer.from(JSON.stringify(list)) }
}

/** Undefined when these are not the bytes of an effect. */
export function decodeEffect(recordKey: string, value: Uint8Array): EffectRecord | undefined {
  let list: unknown
  try {
    list = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString())
  } catch {
    return undefined
  }
  if (!Array.isArray(list) || list[0] !== formatVersion) return undefined
  const [, source, type, target, state, attempts, created, ...rest] = list as [number, ...EffectFields]
  if (typeof source !== "string" || typeof target !== "string") return undefined
  if (!actionTypes.includes(type) || !effectStates.includes(state)) return undefined
  if (typeof attempts !== "number" || typeof created !== "number") return undefined
  const known = { key: keyOfRecord(recordKey), source, type, target, state, attempts, created }
  if (state === "pending") {
    const [isUntouched, action] = rest as [number?, Attemptable?]
    return { ...known, isUntouched: isUntouched === 1, action }
  }
  const [ended, code, message] = rest as [number, string | null, string | null]
  return { ...known, ended, ...(code === null ? {} : { code }), ...(message === null ? {} : { message }) }
}

type EffectFields = [
  source: string,
  type: EffectInfo["type"],
  target: string,
  state: EffectInfo["state"],
  attempts: number,
  created: number,
  ...rest: unknown[],
]

/** As it is listed. */
export function infoOf({ action: _action, isUntouched: _isUntouched, ...info }: EffectRecord): EffectInfo {
  return info
}

export function isAttemptable(action: Action): action is Attemptable {
  return action.type === "function" || action.type === "webhook"
}

function targetOf(action: Action): string {
  switch (action.type) {
    case "publish":
      return cut(action.topic, maxTargetLength)
    case "command":
      return `${action.device}/${action.command}`
    case "function":
      return cut(action.name, maxTargetLength)
    case "webhook":
      return cut(URL.canParse(action.url) ? new URL(action.url).host : action.url, maxTargetLength)
    case "alarm":
      return cut(action.device === undefined ? action.alarm : `${action.alarm}@${action.device}`, maxTargetLength)
  }
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}
