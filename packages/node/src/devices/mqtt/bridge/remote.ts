/**
 * One connection to a remote broker: socket, greeting, keep-alive. What the messages mean is exchange.ts.
 *
 * - R3 It ends once, with a reason in words, whatever ended it; afterwards nothing is called.
 * - R4 It is welcomed and subscribed within `connectTimeoutMs`, and hears something within one and a half keep-alives.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net"
import { connect as connectTls, type SecureContext } from "node:tls"
import type { Clock, Secret, Timer } from "@brume/core"
import { slowBytes } from "../limits.ts"
import type { Qos } from "../message.ts"
import type { AcknowledgementType, ProtocolVersion } from "../wire/packet-type.ts"
import type { Properties } from "../wire/properties.ts"
import type { PublishFrame } from "../wire/publish-frame.ts"
import { reason } from "../wire/reason.ts"
import { disconnect, encodeConnect, encodeSubscribe, encodeUnsubscribe, pingreq } from "./client-writer.ts"
import { GatheredOutput } from "./gathered-output.ts"
import type { BridgeOptions } from "./options.ts"
import { type Connack, RemoteReader, type RemoteSink } from "./remote-reader.ts"
import { trailName } from "./trails.ts"

export interface RemoteOptions {
  readonly clock: Clock
  readonly bridge: BridgeOptions
  readonly password: Secret | undefined
  /** Whom it trusts, and who we are, with `mqtts:`. */
  readonly secureContext: SecureContext | undefined
  readonly isMarkedAsBridge: boolean
  readonly sessionExpiryS: number
  /** QoS 1 and 2 messages that it may send before one is acknowledged. */
  readonly receiveMaximum: number
  /** What is subscribed there. */
  readonly filters: ReadonlyMap<string, Qos>
  /** What was subscribed before, and is not wanted any more. */
  readonly unwanted: readonly string[]
  /** Calls when everything that has arrived by now was read. */
  readonly soon: (call: () => void) => void
}

export interface RemoteEvents {
  /** Before anything of a session comes. */
  welcomed(isSessionPresent: boolean): void
  /** It is welcomed and subscribed: messages may come and go. */
  opened(welcome: Welcome): void
  publish(frame: PublishFrame): void
  acknowledged(type: AcknowledgementType, packetId: number, code: number): void
  drained(): void
  ended(ending: Ending): void
}

export interface Welcome {
  readonly isSessionPresent: boolean
  /** What it takes; from its CONNACK. */
  readonly receiveMaximum: number
  readonly maximumPacketBytes: number
  readonly maximumQos: Qos
  readonly mayRetain: boolean
  /** Filters that it refused. */
  readonly refused: readonly string[]
}

export interface Ending {
  readonly why: string
  /** It may take us when we do not call ourselves a bridge. */
  readonly isMarkRefused: boolean
}

const firstSubscribeId = 65_535
const firstUnsubscribeId = 1
/** Some brokers take no more filters at once. */
const filtersAtOnce = 8
const plainPort = 1883
const tlsPort = 8883

export class Remote implements RemoteSink {
  readonly version: ProtocolVersion
  readonly output = new GatheredOutput()
  readonly #options: RemoteOptions
  readonly #events: RemoteEvents
  readonly #socket: Socket
  readonly #reader: RemoteReader
  #stage: "greeting" | "subscribing" | "open" | "ended" = "greeting"
  #connack: Connack | undefined
  /** Filters that wait for their SUBACK, by packet identifier. */
  readonly #asked = new Map<number, readonly string[]>()
  readonly #refused: string[] = []
  #timer: Timer
  #keepAliveMs: number
  #heardMs: number
  #saidMs: number
  #isFlushDue = false

  constructor(options: RemoteOptions, events: RemoteEvents) {
    const { bridge, clock } = options
    this.#options = options
    this.#events = events
    this.version = bridge.protocol === "5.0" ? 5 : 4
    this.#keepAliveMs = bridge.keepAliveMs
    this.#heardMs = clock.monotonic()
    this.#saidMs = this.#heardMs
    this.#reader = new RemoteReader({ version: this.version, maxPacketBytes: bridge.maxPacketBytes, sink: this })
    this.#timer = clock.after(bridge.connectTimeoutMs, () =>
      this.end(`no answer within ${bridge.connectTimeoutMs} ms while ${this.#stage}`),
    )
    this.#socket = this.#dial()
  }

  get isReady(): boolean {
    return this.#socket.writableLength < slowBytes
  }

  /** What was written to `output` leaves when the turn ends. */
  written(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#options.soon(() => this.#flush())
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    // A keep-alive does not run while we did not listen.
    this.#heardMs = this.#options.clock.monotonic()
    this.#socket.resume()
  }

  /** R3 */
  end(why: string, isMarkRefused = false): void {
    if (this.#stage === "ended") return
    this.#stage = "ended"
    this.#timer.cancel()
    this.#reader.stop()
    this.#socket.destroy()
    this.#events.ended({ why, isMarkRefused })
  }

  /** Says goodbye; the session stays. */
  leave(): void {
    if (this.#stage === "ended") return
    this.#flush()
    if (this.#stage === "open" && this.#socket.writable) this.#socket.end(disconnect)
    this.#stage = "ended"
    this.#timer.cancel()
    this.#reader.stop()
    // Whoever does not take the goodbye has had its chance when the process ends.
    this.#socket.destroySoon()
  }

  // What the broker says ---------------------------------------------------------------------------------------------

  connack(packet: Connack): void {
    if (this.#stage !== "greeting") {
      this.end("it sent a second CONNACK")
      return
    }
    if (packet.reason !== reason.success) {
      const isVersion = packet.reason === reason.unsupportedProtocolVersion
      this.end(refusalOf(packet, this.version), isVersion && this.#options.isMarkedAsBridge)
      return
    }
    this.#connack = packet
    this.#stage = "subscribing"
    this.#events.welcomed(packet.isSessionPresent)
    const { serverKeepAlive } = packet.properties
    if (serverKeepAlive !== undefined) this.#keepAliveMs = serverKeepAlive * 1_000
    const { filters, unwanted } = this.#options
    for (let at = 0; at < unwanted.length && packet.isSessionPresent; at += filtersAtOnce) {
      const taken = unwanted.slice(at, at + filtersAtOnce)
      this.#write(encodeUnsubscribe(this.version, firstUnsubscribeId + at / filtersAtOnce, taken))
    }
    const all = [...filters]
    for (let at = 0; at < all.length; at += filtersAtOnce) {
      const asked = all.slice(at, at + filtersAtOnce)
      const packetId = firstSubscribeId - at / filtersAtOnce
      this.#asked.set(
        packetId,
        asked.map(([filter]) => filter),
      )
      this.#write(encodeSubscribe(this.version, packetId, asked))
    }
    if (all.length === 0) this.#open()
  }

  subscribed(packetId: number, codes: readonly number[]): void {
    const filters = this.#asked.get(packetId)
    if (this.#stage !== "subscribing" || filters === undefined) return
    this.#asked.delete(packetId)
    this.#refused.push(...filters.filter((_, index) => (codes[index] ?? 0x80) >= 0x80))
    if (this.#asked.size === 0) this.#open()
  }

  publish(frame: PublishFrame): void {
    // A session's messages may come before the answer to our subscriptions.
    if (this.#stage === "open" || this.#stage === "subscribing") this.#events.publish(frame)
    else this.end("it sent a PUBLISH before its CONNACK")
  }

  acknowledged(type: AcknowledgementType, packetId: number, code: number): void {
    this.#events.acknowledged(type, packetId, code)
  }

  dismissed(code: number, { reasonString, serverReference }: Properties): void {
    const why = [reasonString, serverReference === undefined ? undefined : `use ${serverReference}`]
    this.end(`it ended the connection (${nameOf(code)})${detail(why.filter((text) => text !== undefined).join("; "))}`)
  }

  broken(why: string): void {
    this.end(why)
  }

  // ------------------------------------------------------------------------------------------------------------------

  #dial(): Socket {
    const { bridge, secureContext } = this.#options
    const url = new URL(bridge.url)
    const host = url.hostname.replace(/^\[|\]$/g, "")
    const isTls = secureContext !== undefined
    const port = url.port === "" ? (isTls ? tlsPort : plainPort) : Number(url.port)
    const socket = isTls
      ? connectTls({ host, port, secureContext, servername: isIP(host) === 0 ? host : "" })
      : connectTcp({ host, port })
    socket.setNoDelay(true)
    let failure: Error | undefined
    socket.once(isTls ? "secureConnect" : "connect", () => this.#greet())
    socket.on("data", (bytes) => this.#received(bytes as Buffer))
    socket.on("drain", () => this.#stage === "open" && this.#events.drained())
    socket.on("error", (error) => {
      failure = error
    })
    socket.on("end", () => socket.end())
    socket.on("close", () => {
      // Some brokers close where they do not know the version; ours, with its mark, is an unusual one.
      const isMarkRefused = failure === undefined && this.#stage === "greeting" && this.#options.isMarkedAsBridge
      this.end(failure === undefined ? "it closed the connection" : failureOf(failure), isMarkRefused)
    })
    return socket
  }

  #greet(): void {
    if (this.#stage === "ended") return
    const { bridge, password, isMarkedAsBridge, sessionExpiryS, receiveMaximum } = this.#options
    const hello = encodeConnect({
      version: this.version,
      isMarkedAsBridge,
      clientId: bridge.clientId,
      keepAliveS: Math.ceil(bridge.keepAliveMs / 1_000),
      username: bridge.username,
      password: password?.reveal(),
      properties: {
        sessionExpiryInterval: sessionExpiryS,
        receiveMaximum,
        maximumPacketSize: bridge.maxPacketBytes,
        userProperties: [[trailName, "1"]],
      },
    })
    this.#write(hello)
  }

  #received(bytes: Buffer): void {
    this.#heardMs = this.#options.clock.monotonic()
    this.#reader.push(bytes)
  }

  #open(): void {
    const { bridge, clock } = this.#options
    const { isSessionPresent, properties } = this.#connack!
    this.#timer.cancel()
    this.#timer = clock.after(this.#lookMs, () => this.#look())
    this.#stage = "open"
    this.#events.opened({
      isSessionPresent,
      receiveMaximum: Math.min(properties.receiveMaximum ?? 65_535, bridge.maxInflight),
      maximumPacketBytes: Math.min(properties.maximumPacketSize ?? bridge.maxPacketBytes, bridge.maxPacketBytes),
      maximumQos: (properties.maximumQos ?? 2) as Qos,
      mayRetain: properties.retainAvailable !== 0,
      refused: this.#refused,
    })
  }

  get #lookMs(): number {
    // A keep-alive of 0 is none: it is looked all the same, and the link is tried as if it were a minute.
    return (this.#keepAliveMs === 0 ? 60_000 : this.#keepAliveMs) / 4
  }

  /** R4 */
  #look(): void {
    const now = this.#options.clock.monotonic()
    const quietMs = now - this.#heardMs
    if (quietMs > this.#lookMs * 6 && !this.#socket.isPaused()) {
      this.end(`nothing came for ${Math.round(quietMs)} ms`)
      return
    }
    // Also while we alone speak: only an answer shows that somebody listens.
    if (now - this.#saidMs >= this.#lookMs * 2 || quietMs >= this.#lookMs * 2) this.#write(pingreq)
    this.#timer = this.#options.clock.after(this.#lookMs, () => this.#look())
  }

  #flush(): void {
    this.#isFlushDue = false
    if (this.output.at > 0) this.#write(this.output.take())
  }

  #write(bytes: Buffer): void {
    if (!this.#socket.writable) return
    this.#saidMs = this.#options.clock.monotonic()
    this.#socket.write(bytes)
  }
}

function refusalOf({ reason: code, properties }: Connack, version: ProtocolVersion): string {
  const hint = code === reason.unsupportedProtocolVersion && version === 5 ? "; set `protocol: 3.1.1` for it" : ""
  return `it refused the connection (${nameOf(code)})${detail(properties.reasonString)}${hint}`
}

const detail = (text: string | undefined): string => (text === undefined || text === "" ? "" : `: ${text}`)

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(reason).map(([name, code]) => [code, name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)]),
)

/** A reason code in words. */
export function nameOf(code: number): string {
  return names.get(code) ?? `reason ${code}`
}

function failureOf(error: Error): string {
  // Several addresses were tried: one failure for all of them, without a message of its own.
  const first = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : error
  return first?.message ?? error.message
}
