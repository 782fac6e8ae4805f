/**
 * One bridge: this node's standing exchange of messages with a foreign MQTT broker.
 *
 * - G1 Its queue is a session of the front like any other, `$bridge/<name>`, so that what was acknowledged here and waits
 *   for the remote broker is in the log (B1 in session/backlog.ts), within the limits of sessions.
 * - G2 It connects for ever: waits double up to `maxRetryMs`, with chance in them, so that many nodes do not come at once.
 * - G3 An outage is said once in the log, with its end; `$SYS/broker/bridge/<name>/state` always has the last reason.
 * - G4 Messages do not go round: no-local on both sides, the bridge's mark in 3.1.1, and trails.ts.
 */
import { createSecureContext } from "node:tls"
import type { KeyedRecord, Timer } from "@brume/core"
import type { Broker } from "../broker.ts"
import { removed } from "../session/records.ts"
import type { Session } from "../session/session.ts"
import { Exchange } from "./exchange.ts"
import type { BridgeOptions } from "./options.ts"
import { type Ending, Remote, type Welcome } from "./remote.ts"
import type { BridgeStatistics } from "./statistics.ts"
import { TopicRenamer } from "./topic-map.ts"

/** Client identifiers of bridges' sessions begin so; whose they are. */
export const bridgePrefix = "$bridge/"
const owner = "$bridge"

export interface BridgePorts {
  readonly broker: Broker
  readonly statistics: BridgeStatistics
}

/** How long a remote broker is asked to keep what it has for us. s. */
const sessionExpiryS = 30 * 86_400
/** QoS 1 and 2 messages from a remote broker that may wait for the disk. */
const receiveMaximum = 1_000
/** How soon it is tried again to put the session into the log. ms. */
const keepMs = 100
/** A connection that lived so long was a good one: the next wait is the first again. ms. */
const settledMs = 10_000

export class Bridge {
  readonly session: Session
  readonly #options: BridgeOptions
  readonly #ports: BridgePorts
  readonly #outgoing: TopicRenamer
  readonly #incoming: TopicRenamer
  #remote: Remote | undefined
  #exchange: Exchange | undefined
  #timer: Timer | undefined
  #isClosed = false
  #isMarked = true
  #attempts = 0
  /** Wall time, µs. */
  #since: number
  #openedMs = 0
  #isConnected = false
  #isOutageSaid = false
  #lastError: string | undefined

  constructor(options: BridgeOptions, ports: BridgePorts) {
    this.#options = options
    this.#ports = ports
    this.#outgoing = new TopicRenamer(options.topics, "out")
    this.#incoming = new TopicRenamer(options.topics, "in")
    this.#since = ports.broker.options.clock.now()
    this.session = this.#begin()
    this.#tell()
    void this.#connect()
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** The session stays, with what waits in it. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    this.#exchange?.close()
    this.#remote?.leave()
  }

  /** G1. What it promises is durable with the open turn of the intake, and lives in the log from then on. */
  #begin(): Session {
    const { broker } = this.#ports
    const { sessions } = broker
    const begun = sessions.begin({
      clientId: bridgePrefix + this.#options.name,
      owner,
      isClean: false,
      expiryS: Number.POSITIVE_INFINITY,
      isOwn: true,
    })
    const { session } = begun
    const records = [...begun.records]
    for (const filter of [...session.subscriptions.keys()])
      if (!this.#outgoing.filters.has(filter)) records.push(...sessions.unsubscribe(session, filter).records)
    for (const [filter, qos] of this.#outgoing.filters) {
      const known = session.subscriptions.get(filter)
      if (known?.qos === qos) continue
      const kept = {
        qos,
        noLocal: true,
        retainAsPublished: true,
        retainHandling: 2,
        subscriptionIdentifier: 0,
      } as const
      records.push(...sessions.subscribe(session, filter, kept).records)
    }
    this.#keep(records)
    return session
  }

  /** A disk that is full now may have room when the first message comes for a session that is not in the log yet. */
  #keep(records: readonly KeyedRecord[]): void {
    const { intake, options } = this.#ports.broker
    if (records.length === 0 || this.#isClosed) return
    for (const record of records) intake.record(record)
    intake.afterwards((error) => {
      if (error !== undefined) options.clock.after(keepMs, () => this.#keep(records))
    })
  }

  async #connect(): Promise<void> {
    const { broker } = this.#ports
    const { clock, soon } = broker.options
    this.#attempts++
    try {
      const { password, authority, certificate, key } = (await this.#options.credentials?.()) ?? {}
      if (this.#isClosed) return
      const isTls = this.#options.url.startsWith("mqtts:")
      const remote: Remote = new Remote(
        {
          ...{ clock, soon, password, sessionExpiryS, receiveMaximum, bridge: this.#options },
          secureContext: isTls ? createSecureContext({ ca: authority, cert: certificate, key }) : undefined,
          isMarkedAsBridge: this.#isMarked && this.#options.protocol === "3.1.1",
          filters: this.#incoming.filters,
          unwanted: this.#unwanted(),
        },
        {
          welcomed: (isSessionPresent) => this.#exchange?.begin(isSessionPresent),
          opened: (welcome) => this.#opened(welcome),
          publish: (frame) => this.#exchange?.publish(frame),
          acknowledged: (type, packetId, code) => this.#exchange?.acknowledged(type, packetId, code),
          drained: () => this.session.pump(),
          ended: (ending) => this.#ended(ending),
        },
      )
      this.#remote = remote
      const { session } = this
      const { statistics } = this.#ports
      this.#exchange = new Exchange({
        ...{ broker, bridge: this.#options, session, statistics, receiveMaximum, remote },
        outgoing: this.#outgoing,
        incoming: this.#incoming,
      })
    } catch (error) {
      this.#ended({ why: error instanceof Error ? error.message : String(error), isMarkRefused: false })
    }
  }

  #opened(welcome: Welcome): void {
    const { broker, statistics } = this.#ports
    const { clock, logger } = broker.options
    statistics.connections++
    this.#isConnected = true
    this.#openedMs = clock.monotonic()
    const { name, url } = this.#options
    const waiting = this.session.queuedMessages
    if (this.#isOutageSaid)
      logger.info("A bridge is connected again", { bridge: name, since: this.#shownSince, waiting })
    else logger.info("A bridge is connected", { bridge: name, url, waiting })
    this.#isOutageSaid = false
    if (welcome.refused.length > 0) {
      this.#lastError = `it refused to let us subscribe ${welcome.refused.join(", ")}`
      logger.warn("A remote broker refused subscriptions", { bridge: name, filters: welcome.refused })
    } else this.#lastError = undefined
    this.#since = clock.now()
    this.#remember()
    this.#exchange?.open(welcome)
    this.#tell()
  }

  /** G2, G3 */
  #ended({ why, isMarkRefused }: Ending): void {
    const { broker, statistics } = this.#ports
    const { clock, logger, random } = broker.options
    this.#exchange?.close()
    this.#exchange = undefined
    this.#remote = undefined
    if (this.#isClosed) return
    const { name, url, firstRetryMs, maxRetryMs } = this.#options
    if (isMarkRefused) {
      logger.info("A remote broker takes no bridge that says it is one; it is told no more", { bridge: name })
      this.#isMarked = false
      this.#timer = clock.after(0, () => void this.#connect())
      return
    }
    statistics.failures++
    if (this.#isConnected) {
      if (clock.monotonic() - this.#openedMs >= settledMs) this.#attempts = 0
      this.#since = clock.now()
    }
    this.#isConnected = false
    this.#lastError = why
    if (!this.#isOutageSaid) logger.warn("A bridge is not connected; it tries again", { bridge: name, url, why })
    else logger.debug("A bridge is still not connected", { bridge: name, why })
    this.#isOutageSaid = true
    this.#tell()
    const longestMs = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(Math.max(this.#attempts - 1, 0), 30))
    this.#timer = clock.after(longestMs * (0.5 + random.unit() / 2), () => void this.#connect())
  }

  get #shownSince(): string {
    return new Date(this.#since / 1_000).toISOString()
  }

  #tell(): void {
    const state = this.#isConnected ? "connected" : "disconnected"
    const told = { state, since: this.#shownSince, lastError: this.#lastError ?? null }
    this.#ports.broker.tell(`$SYS/broker/bridge/${this.#options.name}/state`, JSON.stringify(told))
  }

  // What is subscribed at the remote broker is remembered, so that it can be taken back when the maps change. ---------

  get #key(): string {
    return `bridge/${this.#options.name}`
  }

  #unwanted(): readonly string[] {
    const known = this.#ports.broker.options.store.get("session", this.#key)
    const filters = known === undefined ? [] : parseFilters(known)
    return filters.filter((filter) => !this.#incoming.filters.has(filter))
  }

  #remember(): void {
    const value = Buffer.from(JSON.stringify([...this.#incoming.filters.keys()]))
    this.#keep([{ kind: "session", key: this.#key, value }])
  }
}

/** What the log keeps of a bridge beside its session. */
export function forgotten(name: string): ReturnType<typeof removed> {
  return removed(`bridge/${name}`)
}

function parseFilters(value: Uint8Array): readonly string[] {
  try {
    const filters: unknown = JSON.parse(Buffer.from(value).toString())
    return Array.isArray(filters) ? filters.filter((filter) => typeof filter === "string") : []
  } catch {
    return []
  }
}
