/** What the front asks of who may connect. Structural: the room that answers need not name it. */
import type { Principal } from "@brume/core"

export interface MqttAccess {
  authenticate(request: AccessRequest): Promise<MqttIdentity | "refused" | "throttled" | "banned">
}

export interface AccessRequest {
  readonly clientId: string
  readonly username?: string | undefined
  readonly password?: Uint8Array | undefined
  /** Without a port. */
  readonly peerAddress: string
  readonly isLoopback: boolean
  /** The name in a verified client certificate. */
  readonly certificateName?: string | undefined
}

export interface MqttIdentity {
  /** For lists and the log; a session belongs to it. */
  readonly name: string
  readonly principal: Principal
  /** Nothing needs to be asked for single topics. */
  readonly isUnrestricted: boolean
  mayPublish(topic: string): boolean
  /** A filter is allowed when everything that it can match is; without `$share/<group>/`. */
  maySubscribe(filter: string): boolean
  /** Calls when it ends: revoked, expired, disabled or banned. Returns the function that ends the subscription. */
  onRevoked(call: () => void): () => void
}
