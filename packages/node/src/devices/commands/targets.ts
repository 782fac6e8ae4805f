/**
 * Where a command goes and what confirms it. Without a mapping that is the node's own topic and the device's reply
 * (envelope.ts). A mapping is for devices that have a language of their own: zigbee2mqtt, Tasmota, Home Assistant.
 */
import {
  type Captures,
  type Command,
  FogError,
  fillPayload,
  fillTemplate,
  type Json,
  matchesFilter,
  matchPattern,
  parseTopicPattern,
  type TopicPattern,
} from "@brume/core"
import type { Qos } from "../mqtt/message.ts"
import type { OwnMessage } from "../mqtt/own-messages.ts"
import { excerpt } from "../payload/mistakes.ts"
import { envelopeOf } from "./envelope.ts"

/** One mapping of `devices.commands`, checked there. */
export interface CommandMapping {
  readonly name: string
  /** Which devices: a filter of their names, whose wildcards may have names. */
  readonly device: string
  /** Only this command; undefined means all. */
  readonly command: string | undefined
  /** Template of the topic, with the names of the device's levels and `{command}`. */
  readonly topic: string
  /** Template: payload-template.ts. */
  readonly payload: string
  readonly qos: Qos
  readonly retain: boolean
  /** `none`: done when the broker has it; `state`: when the device's state says what was wanted. */
  readonly confirm: "none" | "state"
  /** Template of the topic on which the device tells its state. */
  readonly stateTopic: string | undefined
  /** Template of what the state has to say; undefined means the payload. */
  readonly expect: string | undefined
}

/** What is sent for one command, and what tells that it was done. */
export type Target =
  | { readonly confirm: "reply" | "none"; messageOf(attempt: number): OwnMessage }
  | {
      readonly confirm: "state"
      messageOf(attempt: number): OwnMessage
      readonly stateTopic: string
      /** What a state has to have in it. */
      readonly expected: Json
    }

interface Rule {
  readonly mapping: CommandMapping
  readonly pattern: TopicPattern
  /** Where states of its devices come in. */
  readonly stateFilter: string | undefined
}

type Sent = Pick<Command, "id" | "device" | "command" | "input" | "deadline">

export class Targets {
  readonly #rules: readonly Rule[]

  constructor(mappings: readonly CommandMapping[]) {
    this.#rules = mappings.map((mapping) => ({
      mapping,
      pattern: parseTopicPattern(mapping.device),
      stateFilter: mapping.stateTopic?.replace(/[^/]*\{[^/]*/g, "+"),
    }))
  }

  /** Throws `command_invalid` where the input lacks what a template needs. */
  of(command: Sent): Target {
    for (const { mapping, pattern } of this.#rules) {
      if (mapping.command !== undefined && mapping.command !== command.command) continue
      const captures = matchPattern(pattern, command.device)
      if (captures !== undefined) return mapped(mapping, captures, command)
    }
    return { confirm: "reply", messageOf: (attempt) => envelopeOf(command, attempt) }
  }

  /** Whether states may come in on a topic. */
  hasState(topic: string): boolean {
    return this.#rules.some(({ stateFilter }) => stateFilter !== undefined && matchesState(stateFilter, topic))
  }
}

/** A level that stands for `{rest}` may be several. */
function matchesState(filter: string, topic: string): boolean {
  if (matchesFilter(filter, topic)) return true
  const levels = filter.split("/")
  const at = levels.lastIndexOf("+")
  const tail = levels.slice(at + 1)
  const isTail = tail.length === 0 || topic.endsWith(`/${tail.join("/")}`)
  return at !== -1 && isTail && matchesFilter([...levels.slice(0, at), "#"].join("/"), topic)
}

function mapped(mapping: CommandMapping, captures: Captures, command: Sent): Target {
  const { confirm, qos, retain, stateTopic, expect } = mapping
  const names = new Map([...captures, ["command", command.command]])
  const payload = Buffer.from(filled(mapping.payload, command))
  const topic = fillTemplate(mapping.topic, names)
  const messageOf = (): OwnMessage => ({
    topic,
    payload,
    qos,
    retain,
    expiresAt: retain ? undefined : command.deadline,
  })
  if (confirm === "none" || stateTopic === undefined) return { confirm: "none", messageOf }
  const expected = said(Buffer.from(filled(expect ?? mapping.payload, command)))
  return { confirm, messageOf, stateTopic: fillTemplate(stateTopic, names), expected }
}

function filled(template: string, command: Sent): string {
  try {
    return fillPayload(template, command)
  } catch (error) {
    throw new FogError("command_invalid", {
      message: `The command ${excerpt(command.command, 80)} for ${excerpt(command.device, 120)} cannot be sent: ${(error as Error).message}`,
      hint: "devices.commands in the configuration says what it needs.",
    })
  }
}

/** A payload as JSON, or else as the text that it is. */
export function said(payload: Uint8Array): Json {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** Whether all that is expected is there: members of objects inside it too; everything else must be equal. */
export function includes(there: Json, expected: Json): boolean {
  if (typeof expected !== "object" || expected === null) return there === expected
  if (typeof there !== "object" || there === null || Array.isArray(there) !== Array.isArray(expected)) return false
  const [found, wanted] = [there, expected] as readonly Record<string, Json>[]
  if (Array.isArray(expected) && (there as readonly Json[]).length !== expected.length) return false
  return Object.entries(wanted!).every(([name, value]) => Object.hasOwn(found!, name) && includes(found![name]!, value))
}
