/** CONNECT: who it is, whose session it is, and what the client is told. [MQTT-3.1.4-1 ff.] */
import type { FogError } from "@brume/core"
import type { MqttIdentity } from "../access.ts"
import { stamping } from "../bridge/stamping.ts"
import { trailName } from "../bridge/trails.ts"
import type { Message } from "../message.ts"
import { isOwnClientId } from "../session/session.ts"
import type { Begun } from "../session/sessions.ts"
import type { Will } from "../wills.ts"
import { writeConnack } from "../wire/answer-writer.ts"
import type { Connect, Will as GivenWill } from "../wire/connect.ts"
import type { Properties } from "../wire/properties.ts"
import { reason } from "../wire/reason.ts"
import { type Client, expirySeconds, holds } from "./client.ts"
import type { Connection } from "./connection.ts"

export async function acceptConnect(connection: Connection, packet: Connect): Promise<void> {
  const { broker, link } = connection
  const { access, logger, random } = broker.options
  if (packet.authenticationMethod !== undefined) {
    connection.close(reason.badAuthenticationMethod, "The server knows no authentication methods")
    return
  }
  // [MQTT-3.1.3-6]
  const clientId = packet.clientId === "" ? `auto-${Buffer.from(random.bytes(12)).toString("hex")}` : packet.clientId
  const identity = await access
    .authenticate({
      ...{ clientId, peerAddress: link.peerAddress, isLoopback: link.isLoopback },
      ...(link.certificate === undefined
        ? {}
        : { certificateName: link.certificate.name, certificateFingerprint: link.certificate.fingerprint }),
      ...(packet.userName === undefined ? {} : { username: packet.userName }),
      ...(packet.password === undefined ? {} : { password: packet.password }),
    })
    .catch((error: unknown) => {
      logger.error("Who a client is could not be found out", { client: clientId, error })
      return "failed" as const
    })
  if (connection.isClosed) return
  if (typeof identity === "string") {
    broker.statistics.refused++
    logger.info("A client was refused", { client: clientId, peer: link.peerAddress, verdict: identity })
    connection.close(refusals[identity])
    return
  }
  const refusal = refusalOf(connection, { packet, clientId, identity })
  if (refusal !== undefined) {
    broker.statistics.refused++
    logger.info("A client was refused", {
      client: clientId,
      peer: link.peerAddress,
      name: identity.name,
      why: refusal.why,
    })
    connection.close(refusal.code, refusal.why)
    return
  }
  begin(connection, { packet, clientId, identity })
}

const refusals = {
  refused: reason.badUserNameOrPassword,
  throttled: reason.connectionRateExceeded,
  failed: reason.serverUnavailable,
} as const

interface Candidate {
  readonly packet: Connect
  readonly clientId: string
  readonly identity: MqttIdentity
}

function refusalOf(
  { broker }: Connection,
  { packet, clientId, identity }: Candidate,
): { readonly code: number; readonly why: string } | undefined {
  const { sessions } = broker
  if (isOwnClientId(clientId))
    return { code: reason.clientIdentifierNotValid, why: "Client identifiers that begin with $ are the node's own" }
  const known = sessions.get(clientId)
  if (known !== undefined && known.facts.owner !== identity.name)
    return { code: reason.notAuthorized, why: "The client identifier belongs to another user" }
  if (known === undefined && sessions.isFull)
    return { code: reason.quotaExceeded, why: "The server keeps as many sessions as it may" }
  if (packet.will !== undefined && !identity.mayPublish(packet.will.topic))
    return { code: reason.notAuthorized, why: "The will is on a topic that the user may not publish" }
  return undefined
}

function begin(connection: Connection, candidate: Candidate): void {
  const { broker } = connection
  const { clientId, identity, packet } = candidate
  const { intake, sessions, wills } = broker
  takeOver(connection, clientId)
  const begun = sessions.begin({
    clientId,
    owner: identity.name,
    isClean: packet.isCleanStart,
    expiryS: expirySeconds(packet.sessionExpirySeconds),
  })
  const { session, isPresent, records } = begun
  // Before the new will takes its place: the old one waited for the session to end. [MQTT-3.1.2-8]
  if (!isPresent) wills.sessionEnded(clientId)
  const will = packet.will === undefined ? undefined : willOf(connection, packet.will, identity)
  for (const record of records) intake.record(record)
  const willRecord = wills.place(clientId, will)
  if (willRecord !== undefined) intake.record(willRecord)
  const keepAliveS = keepAliveOf(connection, packet)
  const client: Client = {
    id: clientId,
    identity,
    session,
    level: packet.level,
    maximumPacketBytes: packet.maximumPacketBytes,
    wantsProblemInformation: packet.wantsProblemInformation,
    isShortLived: packet.sessionExpirySeconds === 0,
    keepAliveMs: keepAliveS * 1_000,
    since: broker.options.clock.now(),
    aliases: undefined,
    publishable: undefined,
  }
  identity.onRevoked(connection)
  connection.client = client
  connection.will = will
  connection.unacknowledged = session.incoming.size
  connection.window = Math.min(packet.receiveMaximum, broker.options.limits.maxInflight)
  broker.clients.set(clientId, connection)
  broker.statistics.connectionsTotal++
  intake.afterwards((error) => welcome(connection, { candidate, begun, client, error }))
}

interface Welcome {
  readonly candidate: Candidate
  readonly begun: Begun
  readonly client: Client
  readonly error: FogError | undefined
}

/** What the client was promised is durable. */
function welcome(connection: Connection, { candidate, begun, client, error }: Welcome): void {
  if (connection.isClosed) return
  if (error !== undefined) {
    connection.close(reason.serverUnavailable, error.message)
    return
  }
  const { isPresent, session } = begun
  writeConnack(
    connection.output,
    { reason: reason.success, isSessionPresent: isPresent, properties: propertiesFor(connection, candidate, client) },
    connection.form,
  )
  const isBridge = candidate.packet.userProperties.some(([name]) => name === trailName)
  session.attach(isBridge ? stamping(connection, connection.broker.trails) : connection)
  connection.letGo(holds.connecting)
}

/** [MQTT-3.1.4-3]: whoever has the identifier now is told why it ends. */
function takeOver({ broker }: Connection, clientId: string): void {
  const other = broker.clients.get(clientId)
  if (other === undefined) return
  broker.options.logger.info("A client connects again; its other connection ends", { client: clientId })
  other.close(reason.sessionTakenOver, "Another connection has the same client identifier")
}

function willOf({ broker }: Connection, will: GivenWill, identity: MqttIdentity): Will {
  const { topic, payload, qos, isRetained, delaySeconds, messageExpirySeconds, properties } = will
  const message: Message = {
    topic,
    payload,
    qos,
    retain: isRetained,
    expiresAt: messageExpirySeconds < 0 ? undefined : broker.options.clock.now() + messageExpirySeconds * 1_000_000,
    properties,
  }
  return { message, delayS: delaySeconds, owner: identity.name }
}

/** In 3.1.1 a client cannot be told of another keep-alive than its own. */
function keepAliveOf({ broker }: Connection, { keepAliveSeconds, version }: Connect): number {
  const { maxKeepAliveS } = broker.options.limits
  if (maxKeepAliveS === 0 || version === 4) return keepAliveSeconds
  return keepAliveSeconds === 0 ? maxKeepAliveS : Math.min(keepAliveSeconds, maxKeepAliveS)
}

/** What differs from what the standard supposes, and from what the client asked for. */
function propertiesFor({ broker }: Connection, { packet, clientId }: Candidate, client: Client): Properties {
  const { limits } = broker.options
  const keepAliveS = client.keepAliveMs / 1_000
  const properties: Properties = {
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.maxPacketBytes,
    topicAliasMaximum: limits.maxTopicAliases,
  }
  if (packet.clientId === "") properties.assignedClientIdentifier = clientId
  if (keepAliveS !== packet.keepAliveSeconds) properties.serverKeepAlive = keepAliveS
  const { expiryS } = client.session
  if (expiryS !== expirySeconds(packet.sessionExpirySeconds)) properties.sessionExpiryInterval = expiryS
  return properties
}
