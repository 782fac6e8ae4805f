/** What the front asks of who may connect. Structural: the room that answers need not name it. */
import type { Principal } from "@brume/core"

export interface MqttAccess {
  /** `throttled` is no verdict: the same request can succeed later. Never rejects for what the request says. */
  authenticate(request: AccessRequest): Promise<MqttIdentity | "refused" | "throttled">
}

export interface AccessRequest {
  readonly clientId: string
  readonly username?: string
  readonly password?: Uint8Array
  /** Without a port. */
  readonly peerAddress: string
  readonly isLoopback: boolean
  /** The name in a verified client certificate. */
  readonly certificateName?: string
  /** Its SHA-256 in hex. */
  readonly certificateFingerprint?: string
}

/** Whose right to be there can end. */
export interface Revocable {
  rightEnded(): void
}

export interface MqttIdentity {
  /** For lists and the log; a session belongs to it. */
  readonly name: string
  readonly principal: Principal
  /** May publish and subscribe every topic that does not begin with `$`. */
  readonly isUnrestricted: boolean
  mayPublish(topic: string): boolean
  /** Allowed when everything that the filter can match is; takes `$share/<group>/<filter>` as well. */
  maySubscribe(filter: string): "allowed" | "refused"
  /** Tells the connection once when it ends: revoked, expired, changed or banned. Never before this returns. */
  onRevoked(connection: Revocable): void
  /** The connection has ended: it is told nothing any more. */
  left(): void
}
