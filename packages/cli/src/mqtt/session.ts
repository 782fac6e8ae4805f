/** A connection to a broker for as long as a command runs. mqtt.js is loaded only here. */
import { randomBytes } from "node:crypto"
import { FogError } from "@brume/core"
import type { IClientOptions, IConnackPacket, IPublishPacket, MqttClient } from "mqtt"
import type { Terminal } from "../terminal.ts"
import { type Broker, type BrokerFlags, findBroker } from "./broker.ts"
import { isReasonCode, refusalOf, unreachable } from "./failure.ts"

export interface MqttSessionOptions {
  /** Connects again when the connection is lost. */
  readonly isLasting: boolean
  /** Each message, one after the other: the next one is taken, and this one acknowledged, when it resolves. */
  readonly onMessage?: (packet: IPublishPacket) => Promise<void>
  readonly onState?: (state: "lost" | "back") => void
}

export interface MqttSession {
  readonly client: MqttClient
  /** Most messages that may wait for their acknowledgement. */
  readonly window: number
  /** Rejects when the connection ends for good, or Ctrl-C ends the command. */
  readonly ended: Promise<never>
  close(): Promise<void>
}

const connectTimeoutMs = 10_000
const reconnectMs = 1_000
/** How long a broker may take to see the end. */
const closeMs = 1_000
/** More in flight makes nothing faster. */
const mostInFlight = 200
/** Reasons of a DISCONNECT after which nobody should come back: taken over, banned or sent away. */
const finalReasons = [0x82, 0x87, 0x8a, 0x8e, 0x98]

/** Resolves when the broker has accepted. Rejects with what it refused, or `node_unreachable`. */
export async function openMqttSession(
  flags: BrokerFlags,
  options: MqttSessionOptions,
  terminal: Terminal,
): Promise<MqttSession> {
  const broker = await findBroker(flags, terminal)
  const { connect } = await import("mqtt")
  const { username, password } = broker
  const given: IClientOptions = {
    clientId: `brume-cli-${randomBytes(6).toString("hex")}`,
    protocolVersion: 5,
    clean: true,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: 0,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
  const client = connect(broker.url, given)
  const connack = await accepted(client, broker, terminal)
  const { onMessage } = options
  if (onMessage !== undefined) client.handleMessage = (packet, done) => void onMessage(packet).then(() => done(), done)
  if (options.isLasting) client.options.reconnectPeriod = reconnectMs
  const ended = watch(client, options, terminal)
  // Whoever races with it hears of it; where nobody does at that moment, it is no fault.
  ended.catch(() => {})
  return {
    client,
    window: Math.min(connack.properties?.receiveMaximum ?? mostInFlight, mostInFlight),
    ended,
    async close() {
      client.options.reconnectPeriod = 0
      // What was not acknowledged is not waited for: whoever closes has waited, or given up.
      const isIdle = client.connected && Object.keys(client.outgoing).length === 0
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, closeMs)
      })
      await Promise.race([client.endAsync(!isIdle), late])
      clearTimeout(timer)
    },
  }
}

/** Resolves to the CONNACK. */
async function accepted(client: MqttClient, broker: Broker, { signal }: Terminal): Promise<IConnackPacket> {
  let failure: unknown
  let onClose: () => void = () => {}
  // It stays: an error that nobody hears would end the process.
  client.on("error", (error) => {
    failure = error
  })
  try {
    return await new Promise<IConnackPacket>((resolve, reject) => {
      onClose = () => {
        if (isReasonCode((failure as { code?: unknown } | undefined)?.code)) {
          reject(refusalOf(failure, "The connection"))
        } else void unreachable(broker, failure).then(reject)
      }
      client.once("connect", resolve)
      client.once("close", onClose)
      signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    })
  } catch (error) {
    client.end(true)
    throw error
  } finally {
    client.off("close", onClose)
  }
}

function watch(client: MqttClient, { isLasting, onState }: MqttSessionOptions, { signal }: Terminal): Promise<never> {
  return new Promise<never>((_resolve, reject) => {
    let farewell: FogError | undefined
    let isLost = false
    const end = (error: unknown): void => {
      client.options.reconnectPeriod = 0
      reject(error)
    }
    client.on("disconnect", ({ reasonCode = 0, properties }) => {
      const why = properties?.reasonString ?? "it gave no other reason"
      farewell = refusalOf({ code: reasonCode, message: why }, "The connection")
      if (finalReasons.includes(reasonCode)) end(farewell)
    })
    client.on("error", (error) => {
      if (isReasonCode((error as { code?: unknown }).code)) end(refusalOf(error, "The connection"))
    })
    client.on("close", () => {
      if (!isLasting) end(farewell ?? brokenOff())
      else if (!isLost) onState?.("lost")
      isLost = true
    })
    client.on("connect", () => {
      isLost = false
      onState?.("back")
    })
    signal.addEventListener("abort", () => end(signal.reason), { once: true })
  })
}

function brokenOff(): FogError {
  return new FogError("node_unreachable", {
    message: "The connection broke before everything was acknowledged",
    hint: "What was not acknowledged may have arrived or not: send it again where twice is better than never.",
  })
}
