/**
 * Who may connect over MQTT, and what each may publish and subscribe. The front asks through {@link MqttAccess}.
 *
 * Invariants:
 * - Q1 What is banned is refused whatever it knows.
 * - Q2 The time of a refusal tells nothing about who exists (password-check.ts).
 * - Q3 Guessing is slow (password-check.ts), and never in the way of a token.
 * - Q4 An identity holds until its token expires or is revoked, its credential is revoked or changed, or a ban names it;
 *   then the front is told, also when that happened before it asked to be.
 * - Q5 Memory and work are bounded: slow hashes that wait, addresses and passwords that are remembered.
 *
 * A token is a password that begins with `brume_`, under any username. A password decides where there is a certificate
 * too; the certificate alone decides where there is no password.
 */
import type { Clock, Logger, Metrics, Permissions, Principal, Random } from "@brume/core"
import { createAttempts } from "@brume/core"
import { type Admission, Admissions } from "./admissions.ts"
import type { OpenedTokens } from "./auth.ts"
import { type OpenedBans, plainAddress } from "./bans.ts"
import type { CredentialEntry } from "./credential-record.ts"
import { plainFingerprint } from "./credential-request.ts"
import type { OpenedCredentials } from "./credentials.ts"
import type { Hashing } from "./hashing.ts"
import { createPasswordCheck } from "./password-check.ts"
import {
  devicesOf,
  filledIn,
  isUnrestricted,
  mayPublish,
  maySubscribe,
  permissionsOf,
  type SubscribeVerdict,
} from "./permissions.ts"
import { longestSecret } from "./token-record.ts"

/** What a CONNECT says, and where it came from. */
export interface ConnectRequest {
  readonly clientId: string
  readonly username?: string
  readonly password?: Uint8Array
  readonly peerAddress: string
  /** Whether the peer is on this machine. */
  readonly isLoopback: boolean
  /** Name of the client certificate that TLS has verified (`certificateNameOf`). */
  readonly certificateName?: string
  /** Its SHA-256 in hex, with or without colons. */
  readonly certificateFingerprint?: string
}

export interface MqttAccess {
  /** `throttled` is no verdict: the same request can succeed later. Never rejects for what the request says. */
  authenticate(request: ConnectRequest): Promise<MqttIdentity | "refused" | "throttled">
}

export interface MqttIdentity {
  /** For lists and logs: the token's name, or the username. */
  readonly name: string
  /** Its device filters apply to readings. */
  readonly principal: Principal
  /** Also for wills and retained messages. The answer for a topic never changes. */
  mayPublish(topic: string): boolean
  /** Allowed when everything that the filter can match is; takes `$share/<group>/<filter>` as well. */
  maySubscribe(filter: string): SubscribeVerdict
  /** May publish and subscribe every topic that does not begin with `$`. */
  readonly isUnrestricted: boolean
  /**
   * Tells the connection once when the identity no longer holds (Q4), and never before this returns; also when it happened
   * before. The connection is then to be closed.
   */
  onRevoked(connection: Revocable): void
  /** The connection has ended: it is told nothing any more. */
  left(): void
}

/** Whose right to be there can end. */
export interface Revocable {
  /** Must not throw. */
  rightEnded(): void
}

export interface MqttAccessOptions {
  readonly tokens: Pick<OpenedTokens, "authenticate" | "get" | "onRevoked">
  readonly credentials: Pick<OpenedCredentials, "find" | "findByCertificate" | "onChanged">
  readonly bans: Pick<OpenedBans, "isBanned" | "onBanned">
  readonly hashing: Pick<Hashing, "matches" | "waiting">
  readonly allowAnonymous: boolean
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
}

export interface OpenedMqttAccess extends MqttAccess {
  close(): void
}

const windowMs = 60_000
/** Failures of one address in a minute, as for the API; beyond them it has one slow hash at a time. */
const failureLimit = 30
const maxNames = 10_000

/** What an identity follows from. */
interface Holder {
  readonly key: string
  readonly name: string
  readonly principal: Principal
  readonly permissions: Permissions
  readonly expires?: number | undefined
  /** Whether it still holds. */
  isValid(): boolean
  /** When a connection of it has ended. */
  onLeft?(): void
}

export function createMqttAccess(options: MqttAccessOptions): OpenedMqttAccess {
  const { tokens, credentials, bans, hashing, clock, logger, metrics } = options
  const admissions = new Admissions(clock)
  const failures = createAttempts({ clock, limit: failureLimit, windowMs, maxNames })
  const passwords = createPasswordCheck({ ...options, find: credentials.find, failures })
  const connects = metrics.counter("brume_auth_mqtt_connects_total", "MQTT connections that asked to come in", [
    "result",
  ])
  metrics.gauge("brume_auth_hashes_waiting", "Passwords that wait for their slow hash", () => hashing.waiting)
  const endings = [
    tokens.onRevoked((id) => admissions.endHolder(`token/${id}`)),
    credentials.onChanged((username) => admissions.endHolder(`credential/${username}`)),
    bans.onBanned(() => admissions.endEach((admission) => bans.isBanned(admission))),
  ]

  const failed = (address: string): "refused" | "throttled" => {
    if (!failures.failed(address)) return "refused"
    logger.warn("Many MQTT connections with a wrong password", { address })
    return "throttled"
  }

  const byToken = (secret: string, address: string): Holder | "refused" | "throttled" => {
    const principal = tokens.authenticate(secret)
    if (principal === undefined) return failed(address)
    const { tokenId, name } = principal
    return {
      key: `token/${tokenId}`,
      name,
      principal,
      permissions: permissionsOf(principal),
      expires: tokens.get(tokenId)?.expires,
      isValid: () => tokens.get(tokenId) !== undefined,
    }
  }

  const byCredential = (entry: CredentialEntry, clientId: string): Holder => {
    const { username } = entry.info
    const permissions = filledIn(entry.info.permissions, { username, clientId })
    return {
      key: `credential/${username}`,
      name: username,
      principal: principalOf(username, permissions),
      permissions,
      isValid: () => credentials.find(username) === entry,
      onLeft: () => passwords.left(entry),
    }
  }

  const byPassword = async (request: ConnectRequest, password: Uint8Array, address: string) => {
    const { username, clientId } = request
    if (username === undefined) return failed(address)
    const outcome = await passwords.check({ username, password, address })
    if (outcome === "throttled") return outcome
    return outcome === "wrong" ? failed(address) : byCredential(outcome, clientId)
  }

  const byCertificate = (request: ConnectRequest, name: string, address: string) => {
    const entry = credentials.findByCertificate(name)
    const { fingerprint } = entry?.info.certificate ?? {}
    const isThisOne =
      fingerprint === undefined || fingerprint === plainFingerprint(request.certificateFingerprint ?? "")
    const isNamed = request.username === undefined || request.username === entry?.info.username
    if (entry === undefined || !isThisOne || !isNamed) return failed(address)
    return byCredential(entry, request.clientId)
  }

  const find = async (request: ConnectRequest, address: string): Promise<Holder | "refused" | "throttled"> => {
    const { password, certificateName } = request
    if (password !== undefined) {
      const text = Buffer.from(password.subarray(0, longestSecret + 1)).toString("latin1")
      return text.startsWith("brume_") ? byToken(text, address) : await byPassword(request, password, address)
    }
    if (certificateName !== undefined) return byCertificate(request, certificateName, address)
    return options.allowAnonymous && request.isLoopback ? anonymous : "refused"
  }

  return {
    async authenticate(request) {
      const address = plainAddress(request.peerAddress)
      const comer = { clientId: request.clientId, username: request.username, address }
      let found: Holder | "refused" | "throttled" = "refused"
      // Also afterwards: a ban may have come while a password was hashed. (Q1)
      if (!bans.isBanned(comer)) found = await find(request, address)
      if (typeof found !== "string" && bans.isBanned(comer)) found = "refused"
      connects.add(1, { result: typeof found === "string" ? found : "admitted" })
      return typeof found === "string" ? found : new Admitted(found, comer, { admissions, bans })
    },
    close() {
      for (const end of endings) end()
      admissions.close()
    },
  }
}

interface Comer {
  readonly clientId: string
  readonly username: string | undefined
  readonly address: string
}

/** One object a connection, without closures: there are as many of them as devices. */
class Admitted implements MqttIdentity, Admission {
  readonly clientId: string
  readonly username: string | undefined
  readonly address: string
  readonly isUnrestricted: boolean
  readonly #holder: Holder
  readonly #admissions: Admissions
  readonly #bans: Pick<OpenedBans, "isBanned">
  #connection: Revocable | undefined

  constructor(
    holder: Holder,
    { clientId, username, address }: Comer,
    { admissions, bans }: { readonly admissions: Admissions; readonly bans: Pick<OpenedBans, "isBanned"> },
  ) {
    this.clientId = clientId
    this.username = username
    this.address = address
    this.isUnrestricted = isUnrestricted(holder.permissions)
    this.#holder = holder
    this.#admissions = admissions
    this.#bans = bans
  }

  get name(): string {
    return this.#holder.name
  }

  get principal(): Principal {
    return this.#holder.principal
  }

  get holder(): string {
    return this.#holder.key
  }

  get expires(): number | undefined {
    return this.#holder.expires
  }

  mayPublish(topic: string): boolean {
    return mayPublish(this.#holder.permissions, topic)
  }

  maySubscribe(filter: string): SubscribeVerdict {
    return maySubscribe(this.#holder.permissions, filter)
  }

  onRevoked(connection: Revocable): void {
    this.#connection = connection
    this.#admissions.add(this)
    queueMicrotask(() => {
      if (!this.#holder.isValid() || this.#bans.isBanned(this)) this.end()
    })
  }

  end(): void {
    const connection = this.#connection
    this.#connection = undefined
    connection?.rightEnded()
  }

  left(): void {
    this.#connection = undefined
    this.#admissions.remove(this)
    this.#holder.onLeft?.()
  }
}

const everything: Permissions = { publish: ["#"], subscribe: ["#"] }

const anonymous: Holder = {
  key: "anonymous",
  name: "anonymous",
  principal: { tokenId: "anonymous", name: "anonymous", scopes: ["read", "write"], devices: undefined },
  permissions: everything,
  isValid: () => true,
}

function principalOf(username: string, permissions: Permissions): Principal {
  return {
    tokenId: `credential/${username}`,
    name: username,
    scopes: [
      ...(permissions.subscribe.length > 0 ? (["read"] as const) : []),
      ...(permissions.publish.length > 0 ? (["write"] as const) : []),
    ],
    devices: devicesOf(permissions),
  }
}
