/**
 * What every test of the MQTT suite stands on: names of its own, clients that end with it, and the registration of
 * one test for one or both versions under its clauses.
 */
import { expect, type TestContext, test } from "vitest"
import { type ConnackPacket, type ConnectPacket, encodeConnect, type Version } from "./packets.ts"
import type { Properties } from "./properties.ts"
import { RawClient } from "./raw-client.ts"

/** A running broker. */
export interface MqttBroker {
  readonly port: number
  /** Where it speaks MQTT over WebSocket. */
  readonly webSocketUrl?: string | undefined
  /** Presented by every client unless a test says otherwise. */
  readonly credentials?: { readonly username: string; readonly password: string }
  /** Whether a client without credentials, or with wrong ones, is refused. @default false */
  readonly refusesStrangers?: boolean
  /** Kills the broker (-9) and starts it again with its state; `port` may change. Absent where state is not kept. */
  restart?(): Promise<void>
  /** Why there is no `restart`; printed by the tests that need it. */
  readonly whyNoRestart?: string
  close(): Promise<void>
}

/** Parts of titles, such as `5.0 [MQTT-3.2.2-16]`, with the reason why this broker differs there. */
export type KnownExceptions = Readonly<Record<string, string>>

export type ConnectChanges = Partial<Omit<ConnectPacket, "type">> & { readonly version?: Version }

/** A connected client. */
export type Client = RawClient & { readonly connack: ConnackPacket; readonly clientId: string }

export interface Trial {
  readonly version: Version
  readonly broker: MqttBroker
  readonly context: TestContext
  /** A name that no other test has, fit for client ids and topics. */
  name(suffix?: string): string
  /** A connection on which nothing was said yet. */
  open(version?: Version): Promise<RawClient>
  /** CONNECT as `client` would send it. */
  connectPacket(changes?: ConnectChanges): Omit<ConnectPacket, "type">
  /** A client that was accepted. */
  client(changes?: ConnectChanges): Promise<Client>
  /** Changes for a session that outlives its connection. */
  lasting(clientId: string, properties?: Properties): ConnectChanges
  /** A client that connects and is refused or dropped: the CONNACK if there was one. */
  refused(changes: ConnectChanges): Promise<ConnackPacket | undefined>
}

export type TrialRun = (trial: Trial) => Promise<void>

export interface Chapter {
  /** Numbers such as `3.1.0-2`, blank-separated; a pair where the versions number differently. */
  both(clauses: string | readonly [v4: string, v5: string], title: string, run: TrialRun, limitMs?: number): void
  v4(clauses: string, title: string, run: TrialRun, limitMs?: number): void
  v5(clauses: string, title: string, run: TrialRun, limitMs?: number): void
}

/** So that runs against one lasting broker do not meet each other's names. */
const run = Date.now().toString(36)
let count = 0

export interface ChapterOptions {
  readonly broker: () => MqttBroker
  readonly exceptions: KnownExceptions
  /** Exceptions that a test was found for. */
  readonly met: Set<string>
  /** Tests run beside each other: most of their time is waiting. */
  readonly isConcurrent: boolean
}

export function createChapter({ broker, exceptions, met, isConcurrent }: ChapterOptions): Chapter {
  const add = (version: Version, clauses: string, title: string, body: TrialRun, limitMs = 20_000): void => {
    const tags =
      clauses === ""
        ? ""
        : `${clauses
            .split(" ")
            .map((clause) => `[MQTT-${clause}]`)
            .join("")} `
    const full = `${version === 4 ? "3.1.1" : "5.0"} ${tags}${title}`
    const exception = Object.keys(exceptions).find((part) => full.includes(part))
    if (exception !== undefined) met.add(exception)
    test(full, { timeout: limitMs, concurrent: isConcurrent }, async (context) => {
      const failed = await attempt(createTrial(version, broker(), context, exception !== undefined), body)
      if (exception === undefined) {
        if (failed !== undefined) throw failed.error
        return
      }
      if (failed === undefined) throw new Error(`"${exception}" passes: it is no exception any more`)
      context.skip(`known exception: ${exceptions[exception]}`)
    })
  }
  return {
    both(clauses, title, body, limitMs) {
      const [v4, v5] = typeof clauses === "string" ? [clauses, clauses] : clauses
      add(4, v4, title, body, limitMs)
      add(5, v5, title, body, limitMs)
    },
    v4: (clauses, title, body, limitMs) => add(4, clauses, title, body, limitMs),
    v5: (clauses, title, body, limitMs) => add(5, clauses, title, body, limitMs),
  }
}

type OpenTrial = Trial & AsyncDisposable

async function attempt(trial: OpenTrial, body: TrialRun): Promise<{ readonly error: unknown } | undefined> {
  await using open = trial
  try {
    await body(open)
    return undefined
  } catch (error) {
    return { error }
  }
}

/** @param isLost the test is known to fail: nobody waits long for what does not come */
function createTrial(version: Version, broker: MqttBroker, context: TestContext, isLost: boolean): OpenTrial {
  const clients: RawClient[] = []
  const base = `${run}${(++count).toString(36)}`
  const open: Trial["open"] = async (ofVersion = version) => {
    const client = await RawClient.open(broker.port, ofVersion)
    if (isLost) client.limitMs = 1_500
    clients.push(client)
    return client
  }
  const connectPacket: Trial["connectPacket"] = (changes = {}) => {
    const { version: _version, ...rest } = changes
    return { clientId: `c${base}x${clients.length}`, clean: true, keepAlive: 60, ...broker.credentials, ...rest }
  }
  return {
    version,
    broker,
    context,
    name: (suffix = "") => `t${base}${suffix}`,
    open,
    connectPacket,
    async client(changes = {}) {
      const client = await open(changes.version)
      const packet = connectPacket(changes)
      const connack = await client.connect(packet)
      expect(connack.code, "the reason code of the CONNACK").toBe(0)
      return Object.assign(client, { connack, clientId: packet.clientId })
    },
    lasting: (clientId, properties = {}) => ({
      clientId,
      clean: false,
      ...(version === 5 ? { properties: { sessionExpiry: 300, ...properties } } : {}),
    }),
    async refused(changes) {
      const client = await open(changes.version)
      const packet = connectPacket(changes)
      client.write(encodeConnect(client.version, packet))
      const last = await client.closed()
      if (last === undefined) return undefined
      if (last.type !== "connack" || last.code === 0)
        throw new Error(`expected a refusal, got ${last.type} ${last.code}`)
      expect(last.sessionPresent, "session present of a refusal").toBe(false)
      return last
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client[Symbol.asyncDispose]()
    },
  }
}
