/** Commands to devices. An outcome is a value, also a bad one: only what never became a command is thrown. */
import type { CommandError, CommandState } from "@brume/core"
import { newKey } from "./idempotency-key.ts"
import { foreignAnswer, isRecord } from "./problem.ts"
import type { Json } from "./query.ts"
import { expectObject, type Transport } from "./transport.ts"

export type { CommandState } from "@brume/core"

/** A command, and what became of it. Times are ISO 8601. */
export interface CommandView {
  readonly id: string
  readonly device: string
  readonly command: string
  readonly input: Json
  /** Who wanted it: `token/…`, `rule/…`, `function/…`. */
  readonly source: string
  /** `failed` is certain; `in-doubt`: it may have been carried out, and no answer came in time. */
  readonly state: CommandState
  readonly created: string
  /** Until when an answer is awaited. */
  readonly deadline: string
  /** How often it is sent again at most. */
  readonly retries: number
  /** How often it was sent, or put into the device's session. */
  readonly attempts: number
  /** When the device said that it has it. */
  readonly accepted?: string
  /** When its outcome was known. */
  readonly ended?: string
  /** The answer came when the command was in doubt already. */
  readonly late?: true
  /** What the device answered. */
  readonly output?: Json
  readonly error?: CommandError
}

export interface NewCommand {
  readonly device: string
  readonly command: string
  /** @default null */
  readonly input?: Json
  /** How long an answer is awaited. @default 10000 */
  readonly deadlineMs?: number
  /** How often it is sent again, with the same id, while the device says nothing. @default 0 */
  readonly retries?: number
  /** The same key of the same token is the same command: it is sent once. @default a new one for each call */
  readonly idempotencyKey?: string
}

export interface CommandOptions {
  readonly signal?: AbortSignal
}

export interface CommandListOptions extends CommandOptions {
  /** Filters with MQTT wildcards. @default every device */
  readonly devices?: readonly string[]
  readonly state?: CommandState
  /** Commands asked for at once. @default the node's page size */
  readonly pageSize?: number
}

export interface CommandRoom {
  /**
   * Resolves with its outcome, which may be `failed` or `in-doubt`; `pending` only where the node stopped meanwhile. Throws
   * `command_invalid`, `commands_busy` and `idempotency_conflict`.
   */
  send(command: NewCommand, options?: CommandOptions): Promise<CommandView>
  /** Resolves when it is durable on the node and on its way; throws as {@link CommandRoom.send}. */
  start(command: NewCommand, options?: CommandOptions): Promise<CommandView>
  /** With `wait` when it has ended. Throws `command_not_found`. */
  get(id: string, options?: CommandOptions & { readonly wait?: boolean }): Promise<CommandView>
  /** The newest first; asks for further pages as you go on. */
  list(options?: CommandListOptions): AsyncGenerator<CommandView, void, undefined>
}

/** The node answers within a minute; this leaves time for the way. */
const waitTimeoutMs = 75_000

export function createCommands(transport: Transport): CommandRoom {
  const viewOf = (answer: unknown): CommandView => expectObject(answer, transport.base) as unknown as CommandView

  async function post(command: NewCommand, isWaiting: boolean, signal: AbortSignal | undefined): Promise<CommandView> {
    const { device, command: name, idempotencyKey = newKey(), ...body } = command
    const answer = await transport.json({
      method: "POST",
      path: `v1/devices/${encodeURIComponent(device)}/commands/${encodeURIComponent(name)}`,
      ...(isWaiting ? { timeoutMs: waitTimeoutMs } : { search: new URLSearchParams({ wait: "false" }) }),
      headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
      body: JSON.stringify(body),
      // The key sees to it.
      isIdempotent: true,
      signal,
    })
    return viewOf(answer)
  }

  async function get(id: string, { wait = false, signal }: CommandOptions & { readonly wait?: boolean } = {}) {
    for (;;) {
      const asked = performance.now()
      const call = { method: "GET", path: `v1/commands/${encodeURIComponent(id)}`, isIdempotent: true, signal } as const
      const search = wait ? { search: new URLSearchParams({ wait: "true" }), timeoutMs: waitTimeoutMs } : {}
      const command = viewOf(await transport.json({ ...call, ...search }))
      // A node that is about to stop answers at once, with what is still open.
      if (!wait || command.state !== "pending" || performance.now() - asked < leastWaitMs) return command
    }
  }

  return {
    async send(command, { signal } = {}) {
      const asked = performance.now()
      const sent = await post(command, true, signal)
      const isStopping = performance.now() - asked < leastWaitMs
      if (sent.state !== "pending" || isStopping) return sent
      return await get(sent.id, { wait: true, ...(signal === undefined ? {} : { signal }) })
    },
    start: (command, { signal } = {}) => post(command, false, signal),
    get,
    async *list({ devices = [], state, pageSize, signal } = {}) {
      let cursor: string | undefined
      do {
        const search = new URLSearchParams()
        for (const filter of devices) search.append("device", filter)
        if (state !== undefined) search.set("state", state)
        if (pageSize !== undefined) search.set("limit", String(pageSize))
        if (cursor !== undefined) search.set("cursor", cursor)
        const page = expectObject(
          await transport.json({ method: "GET", path: "v1/commands", search, isIdempotent: true, signal }),
          transport.base,
        )
        if (!Array.isArray(page.commands)) throw foreignAnswer(transport.base.href, "its answer has no commands")
        yield* page.commands.filter(isRecord) as unknown as CommandView[]
        cursor = typeof page.cursor === "string" ? page.cursor : undefined
      } while (cursor !== undefined)
    },
  }
}

/** A node waits for a minute; an answer that is still open before that comes from one that stops. */
const leastWaitMs = 30_000
