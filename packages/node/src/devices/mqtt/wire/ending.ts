/** DISCONNECT (3.14) and AUTH (3.15) as a client sends them. */
import type { ByteCursor } from "./byte-cursor.ts"
import { type ProtocolVersion, packetType } from "./packet-type.ts"
import { readProperties, type UserProperty } from "./properties.ts"
import { isClientDisconnectReason, malformed, protocolError, reason } from "./reason.ts"

export interface Disconnect {
  readonly reason: number
  /** Undefined: as CONNECT said. That it may not rise from 0 is the session's rule [MQTT-3.14.2-2]. */
  readonly sessionExpirySeconds: number | undefined
  readonly reasonString: string | undefined
  readonly userProperties: readonly UserProperty[]
}

export interface Auth {
  readonly reason: number
  readonly authenticationMethod: string
  readonly authenticationData: Buffer | undefined
  readonly reasonString: string | undefined
  readonly userProperties: readonly UserProperty[]
}

const tooLong = malformed("A packet is longer than its fields")
const badReason = protocolError("A packet has a reason code that a client may not send in it")
const serverReference = protocolError("A DISCONNECT of a client has a server reference")
const noMethod = protocolError("An AUTH has no authentication method")

export function parseDisconnect(cursor: ByteCursor, version: ProtocolVersion): Disconnect {
  // Missing fields are a normal ending without properties (3.14.2.1, 3.14.2.2.1).
  const code = version === 5 && !cursor.isAtEnd ? cursor.byte() : reason.success
  const properties = version === 5 && !cursor.isAtEnd ? readProperties(cursor, packetType.disconnect) : {}
  if (!isClientDisconnectReason(code)) cursor.refuse(badReason)
  if (properties.serverReference !== undefined) cursor.refuse(serverReference)
  if (!cursor.isAtEnd) cursor.refuse(tooLong)
  const { sessionExpiryInterval: sessionExpirySeconds, reasonString, userProperties = [] } = properties
  return { reason: code, sessionExpirySeconds, reasonString, userProperties }
}

export function parseAuth(cursor: ByteCursor): Auth {
  const code = cursor.isAtEnd ? reason.success : cursor.byte()
  // Success is the server's word (table 3-15).
  if (code !== reason.continueAuthentication && code !== reason.reauthenticate) cursor.refuse(badReason)
  const properties = readProperties(cursor, packetType.auth)
  const { authenticationMethod = "", authenticationData, reasonString, userProperties = [] } = properties
  if (properties.authenticationMethod === undefined) cursor.refuse(noMethod)
  if (!cursor.isAtEnd) cursor.refuse(tooLong)
  return { reason: code, authenticationMethod, authenticationData, reasonString, userProperties }
}
