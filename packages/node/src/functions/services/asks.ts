/** What a function may ask of the node while one of its calls runs. Every answer is JSON. */
import { type Clock, FogError, type FunctionSpec, type Json, type QueryParameter } from "@brume/core"
import type { RunningCall } from "../runtimes/runtime.ts"
import type { Secrets } from "../secrets.ts"
import type { DoneOnce } from "./done-once.ts"
import type { FunctionPorts, NodeMessage } from "./ports.ts"
import type { FunctionStates } from "./state.ts"

export interface AskOptions {
  readonly ports: FunctionPorts
  readonly states: FunctionStates
  readonly secrets: Pick<Secrets, "reveal">
  readonly clock: Clock
  invoke(
    name: string,
    event: unknown,
    terms: { readonly deadlineMs: number; readonly depth: number; readonly key: string },
  ): Promise<unknown>
}

export interface Asking {
  readonly name: string
  readonly spec: FunctionSpec
  readonly operation: string
  readonly args: readonly unknown[]
  /** undefined where code asks outside of its calls. */
  readonly call: RunningCall | undefined
  readonly once: DoneOnce
}

/** Functions that call functions, one within the other. */
const deepest = 8
const mostPayloadBytes = 1_048_576
const longestTopicBytes = 1_024
const mostRows = 10_000
const longestQueryMs = 30_000
const longestCommandMs = 60_000

/** Rejects with what the function is told. */
export async function answerAsk(asking: Asking, options: AskOptions): Promise<unknown> {
  const { name, spec, operation, args } = asking
  const { states } = options
  switch (operation) {
    case "state.get":
      return states.get(name, args[0])
    case "state.set":
      return await states.set(name, args[0], args[1])
    case "state.delete":
      return await states.delete(name, args[0])
    case "state.compareAndSet":
      return await states.compareAndSet(name, args)
    case "secrets.get":
      return secretOf(spec, args[0], options)
    case "publish":
      return await publish(asking, options)
    case "query":
      return await query(asking, options)
    case "command":
      return await command(asking, options)
    case "invoke":
      return await invoke(asking, options)
  }
  throw refused(`The node has no operation ${JSON.stringify(String(operation).slice(0, 40))}`)
}

function secretOf({ secrets }: FunctionSpec, asked: unknown, options: AskOptions): string {
  const name = text(asked, "The name of a secret")
  if (secrets.includes(name)) return options.secrets.reveal(name).reveal()
  throw refused(
    `The function does not say that it reads the secret ${JSON.stringify(name.slice(0, 64))}`,
    "Name it in spec.secrets of brume.yaml and deploy it again.",
  )
}

async function publish({ args, once }: Asking, { ports }: AskOptions): Promise<void> {
  const message = messageOf(args)
  const { topic, payload, qos, retain } = message
  await once.publish(["publish", topic, Buffer.from(payload).toString("base64"), qos, retain], (records) =>
    ports.publish(message, records),
  )
}

function messageOf([topic, payload, form, given]: readonly unknown[]): NodeMessage {
  const { qos = 0, retain = false } = membersOf(given)
  const name = text(topic, "A topic")
  const isTopic = name !== "" && !/[+#\0]/.test(name) && !name.startsWith("$")
  if (!isTopic || Buffer.byteLength(name) > longestTopicBytes)
    throw refused(`Nothing can be published to the topic ${JSON.stringify(name.slice(0, 80))}`)
  if (qos !== 0 && qos !== 1 && qos !== 2) throw refused("The QoS of a message is 0, 1 or 2")
  const bytes = Buffer.from(text(payload, "A payload"), form === "base64" ? "base64" : "utf8")
  if (bytes.length > mostPayloadBytes)
    throw refused(`A payload has ${bytes.length} bytes; at most ${mostPayloadBytes} are taken`)
  return { topic: name, payload: bytes, qos, retain: retain === true }
}

async function query(asking: Asking, options: AskOptions): Promise<unknown> {
  const [sql, parameters] = asking.args
  const answer = await options.ports.query({
    sql: text(sql, "A statement"),
    parameters: Array.isArray(parameters) ? (parameters as QueryParameter[]) : [],
    format: "json",
    maxRows: mostRows,
    timeoutMs: Math.max(1, Math.min(longestQueryMs, Math.ceil(leftMs(asking, options)))),
  })
  const pieces: Uint8Array[] = []
  for await (const piece of answer.body) pieces.push(piece)
  return (JSON.parse(Buffer.concat(pieces).toString()) as { readonly rows: unknown }).rows
}

async function command(asking: Asking, options: AskOptions): Promise<unknown> {
  const { name, once } = asking
  const [device, what, input = null, given] = asking.args
  const { deadlineMs, key } = membersOf(given)
  const request = {
    device: text(device, "A device"),
    command: text(what, "A command"),
    input: input as Json,
  }
  const own = typeof key === "string" ? key : once.keyOf(["command", request.device, request.command, input])
  const left = Math.min(longestCommandMs, Math.ceil(leftMs(asking, options)))
  const outcome = await options.ports.command({
    ...request,
    deadlineMs: Math.max(1, typeof deadlineMs === "number" ? Math.min(Math.ceil(deadlineMs), left) : left),
    idempotencyKey: own,
    source: `function/${name}`,
  })
  const { id, state, output = null, error } = outcome
  return { id, state, output, ...(error === undefined ? {} : { error }) }
}

async function invoke(asking: Asking, options: AskOptions): Promise<unknown> {
  const { args, call, once } = asking
  const [other, event = null, given] = args
  const depth = (call?.context.depth ?? 0) + 1
  if (depth > deepest)
    throw refused(`Functions call each other more than ${deepest} deep`, "Does one of them call itself without an end?")
  const { deadlineMs } = membersOf(given)
  const name = text(other, "The name of a function")
  const key = once.keyOf(["invoke", name, event])
  const own = typeof deadlineMs === "number" && deadlineMs > 0 ? deadlineMs : Number.POSITIVE_INFINITY
  return await options.invoke(name, event, { deadlineMs: Math.min(own, leftMs(asking, options)), depth, key })
}

/** How long the call has yet: until nobody waits for it, or its own limit ends it. */
function leftMs({ call, spec }: Asking, { clock }: AskOptions): number {
  if (call === undefined) return spec.limits.timeMs
  const now = clock.monotonic()
  return Math.max(0, Math.min(call.deadline, (call.begunMs ?? now) + spec.limits.timeMs) - now)
}

function membersOf(given: unknown): Readonly<Record<string, unknown>> {
  return typeof given === "object" && given !== null ? (given as Readonly<Record<string, unknown>>) : {}
}

function text(value: unknown, what: string): string {
  if (typeof value === "string") return value
  throw refused(`${what} must be a text`)
}

function refused(message: string, hint = "docs/guide/functions.md says what functions may ask."): FogError {
  return new FogError("function_refused", { message, hint })
}
