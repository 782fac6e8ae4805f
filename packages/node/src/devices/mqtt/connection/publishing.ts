/** PUBLISH from a client: which topic, whether it may, which readings, who gets it, and what is answered. */
import type { TopicMapping } from "../../mapping/mapping.ts"
import type { Message } from "../message.ts"
import { hasRoutes, refreshLocal, refreshRoutes, type Topic } from "../routes.ts"
import { incomingRecord } from "../session/records.ts"
import { packetType } from "../wire/packet-type.ts"
import { forwardedProperties, type PublishFrame, propertiesOf } from "../wire/publish-frame.ts"
import { reason } from "../wire/reason.ts"
import { answerCode, type Client, holds } from "./client.ts"
import type { Connection } from "./connection.ts"

/** Topics of which a connection remembers whether its client may publish them. */
const mostRemembered = 1_024

export function takePublish(connection: Connection, client: Client, frame: PublishFrame): void {
  const { broker } = connection
  const { intake, statistics } = broker
  const { qos, packetId } = frame
  statistics.messagesReceived++
  connection.messagesReceived++
  const topic = topicOf(connection, client, frame)
  if (topic === undefined) return
  const { session } = client
  if (qos > 0 && !(qos === 2 && session.incoming.has(packetId)) && !isWithinWindow(connection)) return
  holdIfTooMuch(connection)
  if (qos === 2 && session.incoming.has(packetId)) {
    // It is stored already, or on its way. [MQTT-4.3.3-10]
    intake.answer(connection, answerCode(packetType.pubrec, reason.success, packetId))
    return
  }
  if ((topic.isSystem || !client.identity.isUnrestricted) && !mayPublish(client, topic)) {
    forbid(connection, client, { topic, frame })
    return
  }
  if (isNew(connection, frame)) spread(connection, client, { topic, frame })
  if (qos === 1) intake.answer(connection, answerCode(packetType.puback, reason.success, packetId))
  else if (qos === 2) {
    session.takeIncoming(packetId)
    if (session.isPersistent) intake.record(incomingRecord(session.facts.number, packetId))
    intake.answer(connection, answerCode(packetType.pubrec, reason.success, packetId))
  }
}

/** False for what bridges sent out and what comes back: it is acknowledged, and that is all. */
function isNew(connection: Connection, { buffer, propertiesStart, propertiesEnd, qos }: PublishFrame): boolean {
  if (propertiesStart === propertiesEnd) return true
  const { intake, trails } = connection.broker
  return trails.admit(buffer.subarray(propertiesStart, propertiesEnd), {
    qos,
    afterwards: (call) => intake.afterwards(call),
    refuse: () => connection.close(reason.unspecifiedError, "A message that came twice was not stored"),
  })
}

/** Its readings are stored, and subscribers get it. */
function spread(connection: Connection, client: Client, { topic, frame }: Publication): void {
  const { broker } = connection
  addReadings(connection, client, { topic, frame })
  refreshRoutes(topic, broker.sessions.tree)
  refreshLocal(topic, broker.options.local)
  if (!frame.isRetained && topic.local === undefined && !hasRoutes(topic)) return
  const fanout = broker.publish(messageOf(connection, topic, frame), topic, client.session)
  if (fanout !== undefined) broker.congestion.check(connection, client.session, fanout)
}

interface Publication {
  readonly topic: Topic
  readonly frame: PublishFrame
}

function topicOf(connection: Connection, client: Client, frame: PublishFrame): Topic | undefined {
  const { topics, options } = connection.broker
  const { buffer, topicStart, topicEnd, topicAlias } = frame
  if (topicAlias === 0) return checkedTopic(connection, topics.find(buffer, topicStart, topicEnd).value)
  // [MQTT-3.3.2-9]
  if (topicAlias > options.limits.maxTopicAliases) {
    connection.broken(reason.topicAliasInvalid, "A topic alias is larger than the server takes")
    return undefined
  }
  if (topicStart === topicEnd) {
    const known = client.aliases?.get(topicAlias)
    if (known === undefined) connection.broken(reason.protocolError, "A topic alias was used before it was given")
    return known
  }
  const topic = checkedTopic(connection, topics.find(buffer, topicStart, topicEnd).value)
  if (topic !== undefined) {
    client.aliases ??= new Map()
    client.aliases.set(topicAlias, topic)
  }
  return topic
}

function checkedTopic(connection: Connection, topic: Topic): Topic | undefined {
  if (!topic.isTooLong) return topic
  connection.broken(reason.topicNameInvalid, "A topic is longer, or has more levels, than the server takes")
  return undefined
}

/** [MQTT-3.3.4-7 ff.]: in 5.0 a client keeps to our receive maximum; in 3.1.1 it is read no more until it does. */
function isWithinWindow(connection: Connection): boolean {
  const { receiveMaximum } = connection.broker.options.limits
  connection.unacknowledged++
  if (connection.unacknowledged < receiveMaximum) return true
  if (connection.version === 4) {
    connection.hold(holds.window)
    return true
  }
  if (connection.unacknowledged === receiveMaximum) return true
  connection.broken(reason.receiveMaximumExceeded, "More messages are unacknowledged than the receive maximum")
  return false
}

function holdIfTooMuch(connection: Connection): void {
  const { intake, options } = connection.broker
  const { maxPublishesPerSecond } = options.limits
  connection.published++
  if (intake.isStalled) connection.hold(holds.store)
  if (maxPublishesPerSecond > 0 && connection.published >= maxPublishesPerSecond / sweepsPerSecond)
    connection.hold(holds.rate)
}

/** How often a connection's count begins anew; see `mqtt.ts`. */
export const sweepsPerSecond = 4

function mayPublish(client: Client, topic: Topic): boolean {
  client.publishable ??= new Map()
  const remembered = client.publishable
  const known = remembered.get(topic)
  if (known !== undefined) return known
  const may = client.identity.mayPublish(topic.name)
  if (remembered.size >= mostRemembered) remembered.clear()
  remembered.set(topic, may)
  return may
}

/**
 * 5.0 is told. In 3.1.1 a server can only close the connection, or acknowledge what it does not take, which Brume does
 * not. [MQTT-3.3.5-2 of 3.1.1]
 */
function forbid(connection: Connection, client: Client, { topic, frame }: Publication): void {
  const { statistics, options, intake } = connection.broker
  statistics.forbidden++
  options.logger.warn("A client published what it may not", { client: client.id, topic: topic.name })
  if (frame.qos === 0) return
  if (connection.version === 4) {
    connection.close(reason.notAuthorized)
    return
  }
  const type = frame.qos === 1 ? packetType.puback : packetType.pubrec
  if (frame.qos === 2) connection.unacknowledged--
  intake.answer(connection, answerCode(type, reason.notAuthorized, frame.packetId))
}

/** Properties are decoded only where there are some, which devices seldom send. */
function mappingOf({ broker }: Connection, { topic, frame }: Publication): TopicMapping | undefined {
  if (frame.propertiesStart === frame.propertiesEnd) return topic.mapping
  const { contentType } = propertiesOf(frame)
  return contentType === undefined ? topic.mapping : broker.mappingOf(topic, contentType)
}

function addReadings(connection: Connection, client: Client, { topic, frame }: Publication): void {
  const mapping = mappingOf(connection, { topic, frame })
  if (mapping === undefined) return
  const { intake, statistics, options } = connection.broker
  const principal = client.identity.principal.devices === undefined ? undefined : client.identity.principal
  const { buffer, payloadStart, payloadEnd } = frame
  const added = mapping.add(intake.batch, buffer, payloadStart, payloadEnd, intake.receivedUs, principal)
  if (typeof added === "number") {
    if (added > 0) statistics.mapped++
    return
  }
  statistics.unmappable++
  options.logger.warn("A message on a topic of readings gave none; it is passed on as it is", {
    client: client.id,
    topic: topic.name,
    why: added.reason,
  })
}

/** A copy: the frame's bytes are those of the socket. Small ones share a page; see `ownMemory` in message.ts. */
function messageOf(connection: Connection, topic: Topic, frame: PublishFrame): Message {
  const { buffer, payloadStart, payloadEnd, messageExpirySeconds: seconds } = frame
  const payload = Buffer.allocUnsafe(payloadEnd - payloadStart)
  buffer.copy(payload, 0, payloadStart, payloadEnd)
  return {
    topic: topic.name,
    payload,
    qos: frame.qos,
    retain: frame.isRetained,
    expiresAt: seconds < 0 ? undefined : connection.broker.options.clock.now() + seconds * 1_000_000,
    properties: forwardedProperties(frame),
  }
}
