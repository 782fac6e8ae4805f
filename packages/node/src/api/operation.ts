/**
 * What the API says about each of its operations: who may call it (A1), and what the OpenAPI document tells.
 * A route carries its operation in its `config`; its validation schemas stay where Fastify wants them.
 */
import type { ErrorCode, Principal, Scope } from "@brume/core"

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined }
export type JsonSchema = { readonly [keyword: string]: unknown }

/** A content of a body or an answer; a schema where it is JSON, an example always where there is one. */
export interface Media {
  readonly schema?: JsonSchema
  readonly example?: Json
}

export interface Answer {
  readonly description: string
  /** By media type; none for an empty answer. */
  readonly content?: Readonly<Record<string, Media>>
  /** Each a schema with a description. */
  readonly headers?: Readonly<Record<string, JsonSchema>>
}

export const tags = {
  readings: "Send readings, and read the latest ones.",
  query: "SQL over everything that is stored.",
  commands: "What devices are told to do, and what became of it; what they should be and say they are.",
  functions: "Code that the node calls with events and requests, and the secrets that it may read.",
  effects: "What rules and functions did to the world, and how it ended.",
  alarms: "Conditions that somebody should know of until they are over.",
  live: "Readings as they become durable, and alarms.",
  documents: "Desired state that people write: rules, functions.",
  mqtt: "MQTT over WebSocket, and who speaks MQTT with this node.",
  tokens: "Who may do what.",
  access: "Who may connect over MQTT: credentials of devices, and bans.",
  node: "State of this node.",
  influx: "What InfluxDB clients expect, so that they work unchanged.",
} as const

export interface Operation {
  readonly id: string
  readonly tag: keyof typeof tags
  readonly summary: string
  readonly description?: string
  /** `public` needs no token, `any` one with whatever scope. */
  readonly access: "public" | "any" | Scope
  /** Concerns the whole node: a token limited to devices is refused. */
  readonly wholeNode?: boolean
  /** Errors in the shape of InfluxDB 1 or 2 instead of problem+json, and its ways to pass a token. */
  readonly dialect?: "influx1" | "influx2"
  /** A body that Fastify does not validate, by media type. */
  readonly body?: Readonly<Record<string, Media>>
  /** By status. */
  readonly answers: Readonly<Record<number, Answer>>
  /** Codes that this operation can answer with besides those that all can. */
  readonly problems?: readonly ErrorCode[]
}

/** What an operation can answer with that has a body. */
export const bodyProblems = ["payload_too_large", "payload_type", "payload_encoding"] as const
/** What an operation can answer with that is durable when it does. */
export const storeProblems = ["store_busy", "store_full", "disk_failed"] as const

declare module "fastify" {
  interface FastifyContextConfig {
    operation?: Operation
  }
  interface FastifyRequest {
    /** Who asks; null before authentication and where none is needed. */
    principal: Principal | null
    /** The secret that was presented, for streams that outlive their request. */
    secret: string | null
  }
}
