/** `brume subscribe`: shows messages as they come from a node or any MQTT broker. */
import { FogError, filterProblem } from "@brume/core"
import type { IPublishPacket } from "mqtt"
import { usageError } from "../failure.ts"
import type { BrokerFlags } from "../mqtt/broker.ts"
import { refusalOf } from "../mqtt/failure.ts"
import { messageJson, messageText } from "../mqtt/message-text.ts"
import { openMqttSession } from "../mqtt/session.ts"
import { Ended, type Terminal } from "../terminal.ts"
import { parseSpan } from "../times.ts"

export interface SubscribeFlags extends BrokerFlags {
  readonly qos: "0" | "1" | "2"
  readonly count?: string
  readonly timeout?: string
  readonly json?: boolean
}

export async function subscribe(
  [filters]: readonly [readonly string[]],
  flags: SubscribeFlags,
  terminal: Terminal,
): Promise<void> {
  for (const filter of filters) checkFilter(filter)
  const most = flags.count === undefined ? Number.POSITIVE_INFINITY : countOf(flags.count)
  const timeoutMs = flags.timeout === undefined ? undefined : parseSpan(flags.timeout, "--timeout")
  const { out, notes, signal } = terminal
  const line = flags.json === true ? (packet: IPublishPacket) => messageJson(packet, new Date()) : inWords(terminal)
  const tell = (text: string): void => void notes.write(`${notes.paint.dim(text)}\n`)
  let shown = 0
  let finish: () => void = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const session = await openMqttSession(
    flags,
    {
      isLasting: true,
      onState: (state) => tell(state === "lost" ? "connection lost; connecting again" : "connected again"),
      async onMessage(packet) {
        if (shown >= most) return
        shown++
        await out.write(`${line(packet)}\n`)
        if (shown >= most) finish()
      },
    },
    terminal,
  )
  let timer: NodeJS.Timeout | undefined
  try {
    const qos = Number(flags.qos) as 0 | 1 | 2
    const subscribing = session.client.subscribeAsync([...filters], { qos }).catch((error: unknown) => {
      throw refusalOf(error, `A subscription (${filters.join(", ")})`)
    })
    await Promise.race([subscribing, session.ended])
    const over = new Promise<"over">((resolve) => {
      if (timeoutMs !== undefined) timer = setTimeout(() => resolve("over"), timeoutMs)
    })
    const end = await Promise.race([finished, over, session.ended])
    if (end === "over" && flags.count !== undefined) throw tooFew(shown, flags.count, flags.timeout)
  } catch (error) {
    // Ctrl-C is how one leaves; SIGTERM and a reader that went away keep their own codes.
    const isLeft = error === signal.reason && error instanceof Ended && error.exitCode === 130
    if (!isLeft) throw error
  } finally {
    clearTimeout(timer)
    await session.close()
  }
}

const inWords =
  ({ out: { paint } }: Terminal) =>
  (packet: IPublishPacket): string =>
    messageText(packet, paint)

function tooFew(shown: number, count: string, timeout: string | undefined): FogError {
  return new FogError("request_timeout", {
    message: `${shown} of ${count} messages came within ${timeout}`,
    hint: "Does somebody publish, and does the filter fit? brume subscribe '#' shows everything.",
    details: { shown },
  })
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw usageError(`--count ${JSON.stringify(text)} is no whole number from 1 on`, "Write it like --count 10.")
}

function checkFilter(filter: string): void {
  const plain = /^\$share\/[^/+#]+\/(.+)$/s.exec(filter)?.[1] ?? filter
  const problem = filterProblem(plain)
  if (problem === undefined) return
  throw usageError(
    `The filter ${JSON.stringify(filter)} ${problem}`,
    "+ stands for one whole level, # for the rest and only at the end: plant/+/temperature, plant/#.",
  )
}
