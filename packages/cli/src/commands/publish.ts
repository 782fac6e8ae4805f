/** `brume publish`: messages to a node or any MQTT broker. Ends when all of them are acknowledged. */
import { resolve } from "node:path"
import type { IClientPublishOptions } from "mqtt"
import { usageError } from "../failure.ts"
import type { BrokerFlags } from "../mqtt/broker.ts"
import { refusalOf } from "../mqtt/failure.ts"
import { type MqttSession, openMqttSession } from "../mqtt/session.ts"
import type { Terminal } from "../terminal.ts"
import { parseSpan, plural } from "../times.ts"
import { fileInput, linesOf } from "../write/lines.ts"

export interface PublishFlags extends BrokerFlags {
  readonly file?: string
  readonly lines?: boolean
  readonly qos: "0" | "1" | "2"
  readonly retain?: boolean
  readonly property?: readonly string[]
  readonly contentType?: string
  readonly expiry?: string
  readonly responseTopic?: string
  readonly json?: boolean
}

/** What MQTT can carry. */
const maxPayloadBytes = 268_435_455

export async function publish(
  [topic, payload]: readonly [topic: string, payload?: string],
  flags: PublishFlags,
  terminal: Terminal,
): Promise<void> {
  checkTopic(topic, "The topic")
  if (flags.responseTopic !== undefined) checkTopic(flags.responseTopic, "--response-topic")
  const options = optionsOf(flags)
  const payloads = payloadsOf(payload, flags, terminal)
  const session = await openMqttSession(flags, { isLasting: false }, terminal)
  let published = 0
  try {
    published = await publishAll(payloads, session, (payload) =>
      session.client.publishAsync(topic, payload, options).catch((error: unknown) => {
        throw refusalOf(error, `A message on ${topic}`)
      }),
    )
  } finally {
    await session.close()
  }
  if (flags.json === true) {
    await terminal.out.write(`${JSON.stringify({ topic, published, acknowledged: options.qos !== 0 })}\n`)
    return
  }
  await terminal.out.write(`${plural(published, "message")} ${options.qos === 0 ? "sent" : "acknowledged"}\n`)
}

/** Resolves to their count when all are done; rejects with the first that failed, or when the connection has ended. */
async function publishAll(
  payloads: AsyncIterator<Buffer | string>,
  { window, ended }: Pick<MqttSession, "window" | "ended">,
  send: (payload: Buffer | string) => Promise<unknown>,
): Promise<number> {
  let count = 0
  let running = 0
  let failure: { readonly error: unknown } | undefined
  /** Called when there is room again, and by a failure. */
  let wake: () => void = () => {}
  const fail = (error: unknown): void => {
    failure ??= { error }
    wake()
  }
  ended.catch(fail)
  const below = async (limit: number): Promise<void> => {
    while (running >= limit && failure === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    if (failure !== undefined) throw failure.error
  }
  /** Input may be long in coming: a failure does not wait for it. */
  const next = (): Promise<IteratorResult<Buffer | string>> =>
    new Promise((resolve, reject) => {
      wake = () => {
        if (failure !== undefined) reject(failure.error)
      }
      payloads.next().then(resolve, reject)
    })
  for (let item = await next(); item.done !== true; item = await next()) {
    await below(window)
    count++
    running++
    send(item.value).then(() => {
      running--
      wake()
    }, fail)
  }
  await below(1)
  return count
}

/** Says at once what is wrong with the flags; nothing is read before it is asked for. */
function payloadsOf(
  payload: string | undefined,
  { file, lines = false }: PublishFlags,
  { input, isInputTerminal, folder }: Terminal,
): AsyncGenerator<Buffer | string, void, undefined> {
  if (payload !== undefined) {
    if (file !== undefined || lines) throw usageError("There is a payload, and --file or --lines", "Give one of them.")
    return only(async () => payload)
  }
  if (file === undefined && isInputTerminal) {
    throw usageError("There is no payload", 'Give one, --file, or pipe it in. An empty one is "".')
  }
  const source = file === undefined ? input : fileInput(resolve(folder, file))
  return lines ? linesOf(source) : only(() => collected(source))
}

async function* only(make: () => Promise<Buffer | string>): AsyncGenerator<Buffer | string, void, undefined> {
  yield await make()
}

async function collected(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of source) {
    pieces.push(piece)
    length += piece.length
    if (length > maxPayloadBytes) throw usageError("The payload is larger than 256 MB", "MQTT carries no larger one.")
  }
  return Buffer.concat(pieces)
}

function optionsOf(flags: PublishFlags): IClientPublishOptions & { readonly qos: 0 | 1 | 2 } {
  const userProperties: Record<string, string[]> = Object.create(null)
  for (const text of flags.property ?? []) {
    const at = text.indexOf("=")
    if (at < 1) throw usageError(`--property ${JSON.stringify(text)} has no name`, "Write it like unit=C.")
    const name = text.slice(0, at)
    userProperties[name] ??= []
    userProperties[name].push(text.slice(at + 1))
  }
  const { contentType, responseTopic, expiry } = flags
  return {
    qos: Number(flags.qos) as 0 | 1 | 2,
    retain: flags.retain === true,
    properties: {
      ...(Object.keys(userProperties).length === 0 ? {} : { userProperties }),
      ...(contentType === undefined ? {} : { contentType }),
      ...(responseTopic === undefined ? {} : { responseTopic }),
      ...(expiry === undefined ? {} : { messageExpiryInterval: Math.ceil(parseSpan(expiry, "--expiry") / 1_000) }),
    },
  }
}

function checkTopic(topic: string, what: string): void {
  const problem =
    topic === "" ? "is empty" : /[+#]/.test(topic) ? "has a wildcard" : topic.includes("\0") ? "has a NUL" : undefined
  if (problem === undefined) return
  throw usageError(
    `${what} ${JSON.stringify(topic)} ${problem}`,
    "A message goes to one topic: plant/line-1/temperature.",
  )
}
