/** Credentials, bans and what follows from them for MQTT: opened together, as they share their limits. */
import type { Bans, Clock, Credentials, Logger, Metrics, Random } from "@brume/core"
import type { Documents, OpenedTokens } from "./auth.ts"
import { openBans } from "./bans.ts"
import { openCredentials } from "./credentials.ts"
import { createHashing } from "./hashing.ts"
import { createMqttAccess, type MqttAccess } from "./mqtt-access.ts"
import { type Cost, defaultCost } from "./password.ts"

export interface AccessOptions {
  readonly documents: Documents
  readonly tokens: Pick<OpenedTokens, "authenticate" | "get" | "onRevoked">
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  readonly maxCredentials: number
  readonly maxBans: number
  /** Lets clients on this machine connect without a name and a password. */
  readonly allowAnonymous: boolean
  /** Of one slow hash. @default 32 MiB and some 140 ms */
  readonly cost?: Cost
}

export interface Access {
  readonly credentials: Credentials
  readonly bans: Bans
  readonly mqtt: MqttAccess
  /** Ends its subscriptions and its timer. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Slow hashes at once: each occupies a thread of the pool that syncs the log. */
const maxRunning = 2
/** At 140 ms each, the last one waits 9 s, about as long as a client does. */
const maxWaiting = 64

export function openAccess(options: AccessOptions): Access {
  const hashing = createHashing({ cost: options.cost ?? defaultCost, random: options.random, maxRunning, maxWaiting })
  const credentials = openCredentials({ ...options, hashing })
  const bans = openBans(options)
  const mqtt = createMqttAccess({ ...options, credentials, bans, hashing })
  const close = async (): Promise<void> => mqtt.close()
  return { credentials, bans, mqtt, close, [Symbol.asyncDispose]: close }
}
