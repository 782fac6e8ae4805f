/** The room auth with all that it has for MQTT, over documents in memory that survive a restart. */
import type { Appended, KeyedKind, KeyedRecord } from "@brume/core"
import { FogError } from "@brume/core"
import { nullMetrics, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { type OpenedTokens, openTokens } from "../../packages/node/src/auth/auth.ts"
import { type OpenedBans, openBans } from "../../packages/node/src/auth/bans.ts"
import { type OpenedCredentials, openCredentials } from "../../packages/node/src/auth/credentials.ts"
import { createHashing, type Hashing } from "../../packages/node/src/auth/hashing.ts"
import {
  type ConnectRequest,
  createMqttAccess,
  type MqttAccessOptions,
  type MqttIdentity,
  type OpenedMqttAccess,
} from "../../packages/node/src/auth/mqtt-access.ts"

export interface AccessRig {
  readonly tokens: OpenedTokens
  readonly credentials: OpenedCredentials
  readonly bans: OpenedBans
  readonly mqtt: OpenedMqttAccess
  connect(request: Partial<Omit<ConnectRequest, "password">> & { readonly password?: string }): Promise<Outcome>
  /** The identity, where nothing else is expected. */
  admitted(request: Parameters<AccessRig["connect"]>[0]): Promise<MqttIdentity>
}

type Outcome = MqttIdentity | "refused" | "throttled"

/** What survives a restart, and the world around. */
export class AccessMachine {
  readonly records = new Map<string, Uint8Array>()
  readonly clock = new VirtualClock()
  readonly logger = new SilentLogger()
  readonly random = new SeededRandom(1)
  /** What the next puts meet. */
  fails = false
  /** Slow comparisons that were begun. */
  comparisons = 0
  /** While set, slow comparisons wait for it. */
  held: Promise<void> | undefined

  readonly documents = {
    entries: (_kind: KeyedKind) => this.records.entries(),
    put: (records: readonly KeyedRecord[]): Appended => ({ seq: 0, durable: this.#keep(records) }),
  }

  /** Starts the room on what the last start left. A hash costs next to nothing here. */
  async start(
    options: Partial<MqttAccessOptions & { maxCredentials: number; maxBans: number }> = {},
  ): Promise<AccessRig> {
    const { documents, clock, logger, random } = this
    const common = { documents, clock, logger, random }
    const real = createHashing({ cost: { n: 2, r: 1, p: 1 }, random, maxRunning: 2, maxWaiting: 64 })
    const hashing: Hashing = {
      hash: (password) => real.hash(password),
      matches: (password, stored) => {
        const matching = real.matches(password, stored)
        if (matching === undefined) return undefined
        this.comparisons++
        return Promise.resolve(this.held).then(() => matching)
      },
      get waiting() {
        return real.waiting
      },
    }
    const disk = { absolute: (path: string) => `/data/${path}`, replace: async () => {} }
    const tokens = await openTokens({ ...common, disk, maxTokens: 1_000 })
    const credentials = openCredentials({ ...common, hashing, maxCredentials: options.maxCredentials ?? 100 })
    const bans = openBans({ ...common, maxBans: options.maxBans ?? 100 })
    const metrics = nullMetrics
    const parts = { ...common, tokens, credentials, bans, hashing, metrics, allowAnonymous: false }
    const mqtt = createMqttAccess({ ...parts, ...options })
    const connect: AccessRig["connect"] = ({ password, ...request }) =>
      mqtt.authenticate({
        clientId: "c",
        peerAddress: "192.0.2.1",
        isLoopback: false,
        ...request,
        ...(password === undefined ? {} : { password: Buffer.from(password) }),
      })
    return {
      tokens,
      credentials,
      bans,
      mqtt,
      connect,
      async admitted(request) {
        const outcome = await connect(request)
        if (typeof outcome === "string") throw new Error(`The connection was ${outcome}`)
        return outcome
      },
    }
  }

  async #keep(records: readonly KeyedRecord[]): Promise<void> {
    await Promise.resolve()
    if (this.fails) throw new FogError("store_closed", { message: "no" })
    for (const { key, value } of records) {
      if (value === undefined) this.records.delete(key)
      else this.records.set(key, value)
    }
  }
}

/** The code of the error that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  )
}
