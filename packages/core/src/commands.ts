/**
 * Commands to devices, and what devices should be and say they are (twins).
 *
 * A command is one wish for one device, sent once for each key. It ends as `done` or `failed` when that is certain, and
 * `in-doubt` when nobody knows: a deadline passed, or the node stopped, after it may have left. Times are µs since 1970 UTC.
 */
import type { KeyedRecord } from "./store.ts"

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
export type JsonObject = { readonly [name: string]: Json }

export const commandStates = ["pending", "done", "failed", "in-doubt"] as const
/** `pending`: it has not ended. The others are outcomes; an answer that comes late still turns `in-doubt` into one of them. */
export type CommandState = (typeof commandStates)[number]

export interface CommandRequest {
  readonly device: string
  /** What to do, one level of a topic: `start`. */
  readonly command: string
  /** @default null */
  readonly input?: Json | undefined
  /** How long an answer is awaited. @default 10000 */
  readonly deadlineMs?: number | undefined
  /** The same key of the same source is the same command: it is sent once, and everybody gets its outcome. */
  readonly idempotencyKey?: string | undefined
  /** How often it is sent again, with the same id, while the device says nothing. @default 0 */
  readonly retries?: number | undefined
  /** Who wants it: `token/<id>`, `rule/<name>`, `function/<name>`. */
  readonly source: string
}

export interface CommandError {
  /** `command_unreachable`, `command_expired`, `command_rejected`, `command_in_doubt`; or the device's own word. */
  readonly code: string
  readonly message: string
}

export interface Command {
  /** 32 hex digits; follows from source, device and key where there is a key. */
  readonly id: string
  readonly device: string
  readonly command: string
  readonly input: Json
  readonly source: string
  readonly state: CommandState
  readonly created: number
  /** Until when an answer is awaited. */
  readonly deadline: number
  /** How often it is sent again at most. */
  readonly retries: number
  /** How often it was sent, or put into the device's session. */
  readonly attempts: number
  /** When the device said that it has it. */
  readonly accepted?: number
  /** When its outcome was known. */
  readonly ended?: number
  /** The answer came when the command was in doubt already. */
  readonly late?: true
  /** What the device answered. */
  readonly output?: Json
  /** Why it failed, or is in doubt. */
  readonly error?: CommandError
}

/** A command that its caller makes durable, together with what it follows from, in one commit. */
export interface PreparedCommand {
  readonly command: Command
  /** For the caller's commit; none where the command is known already. */
  readonly records: readonly KeyedRecord[]
  /** The outcome, once it is durable; still `pending` where the node stops first. Never rejects. */
  readonly ended: Promise<Command>
  /** The commit is durable: it leaves. */
  durable(): void
  /** The commit will never be: nothing happened. */
  refused(): void
}

export interface CommandFilter {
  /** Filters with MQTT wildcards; undefined means all. */
  readonly devices?: readonly string[] | undefined
  readonly state?: CommandState | undefined
  readonly limit: number
  /** Only commands before this one in the list. */
  readonly after?: string | undefined
}

export interface Commands {
  /** Resolves with the outcome. Throws `command_invalid`, `commands_busy`, `idempotency_conflict` and what the store throws. */
  send(request: CommandRequest): Promise<Command>
  /** Resolves when it is durable and on its way; throws as {@link send}. */
  start(request: CommandRequest): Promise<Command>
  /** For who has a commit of its own; throws as {@link send}, except what the store throws. */
  prepare(request: CommandRequest): PreparedCommand
  get(id: string): Command | undefined
  /** The outcome of a command; undefined when there is none with this id. */
  ended(id: string): Promise<Command> | undefined
  /** The newest first. */
  list(filter: CommandFilter): { readonly commands: readonly Command[]; readonly next: string | undefined }
}

/** One half of a twin. */
export interface TwinState {
  /** Grows by one with each change; 0 where nothing was ever said. */
  readonly version: number
  readonly values: JsonObject
  /** When it last changed; 0 where it never did. */
  readonly time: number
}

/** What a device should be, and what it says it is. */
export interface Twin {
  readonly device: string
  readonly desired: TwinState
  readonly reported: TwinState
  /** What is desired and not reported so. */
  readonly delta: JsonObject
}

export interface TwinChange {
  /** A JSON merge patch (RFC 7396): null removes a member. */
  readonly desired: JsonObject
  /** Only if this version is in force. Throws `twin_conflict`. */
  readonly ifVersion?: number | undefined
}

export interface Twins {
  /** Throws `twin_not_found`. */
  get(device: string): Twin
  /** Durable when it resolves. Throws `twin_invalid`, `twin_conflict` and what the store throws. */
  set(device: string, change: TwinChange): Promise<Twin>
  /** Calls with each durable change; must not throw. Returns the function that ends it. */
  onChange(listener: (twin: Twin) => void): () => void
}
