/** SUBSCRIBE and UNSUBSCRIBE. They are answered when what they change is durable. */
import type { Fanout } from "../fanout.ts"
import { isTooLong } from "../limits.ts"
import type { Message } from "../message.ts"
import type { Target } from "../routes.ts"
import { parseShared } from "../topics/subscription-tree.ts"
import { writeSuback, writeUnsuback } from "../wire/answer-writer.ts"
import { reason } from "../wire/reason.ts"
import type { RequestedSubscription, Subscribe, Unsubscribe } from "../wire/subscribe.ts"
import type { Client } from "./client.ts"
import type { Connection } from "./connection.ts"

/** [MQTT-3.8.4-1 ff.] */
export function takeSubscribe(connection: Connection, client: Client, packet: Subscribe): void {
  const { intake } = connection.broker
  const { packetId } = packet
  const retained: Fanout[] = []
  const reasons = packet.subscriptions.map((requested) => {
    const code = refusalOf(connection, client, requested)
    if (code !== undefined) return code
    retained.push(...subscribeOne(connection, client, requested, packet.subscriptionIdentifier))
    return requested.qos
  })
  intake.afterwards((error) => {
    if (error !== undefined) {
      connection.close(reason.unspecifiedError, error.message)
      return
    }
    if (connection.isClosed) return
    writeSuback(connection.output, { packetId, reasons }, connection.form)
  })
  for (const fanout of retained) intake.deliver(fanout)
}

/** [MQTT-3.10.4-1 ff.] */
export function takeUnsubscribe(connection: Connection, client: Client, { packetId, filters }: Unsubscribe): void {
  const { intake, sessions } = connection.broker
  const reasons = filters.map((filter) => {
    const { existed, records } = sessions.unsubscribe(client.session, filter)
    for (const record of records) intake.record(record)
    return existed ? reason.success : reason.noSubscriptionExisted
  })
  intake.afterwards((error) => {
    if (error !== undefined) connection.close(reason.unspecifiedError, error.message)
    else if (!connection.isClosed) writeUnsuback(connection.output, { packetId, reasons }, connection.form)
  })
}

/** Why a subscription is refused, or undefined when it is not. */
function refusalOf(connection: Connection, client: Client, { filter }: RequestedSubscription): number | undefined {
  const { limits, logger } = connection.broker.options
  const { session, identity } = client
  const { filter: plain } = parseShared(filter)
  if (isTooLong(plain, limits)) return reason.topicFilterInvalid
  if (identity.maySubscribe(filter) !== "allowed") {
    logger.warn("A client subscribed to what it may not", { client: client.id, filter })
    return reason.notAuthorized
  }
  const isNew = !session.subscriptions.has(filter)
  return isNew && session.subscriptions.size >= limits.maxSubscriptions ? reason.quotaExceeded : undefined
}

/** Returns the retained messages that the subscription brings. [MQTT-3.8.4-4, MQTT-3.3.1-9, -10, -11] */
function subscribeOne(
  connection: Connection,
  client: Client,
  requested: RequestedSubscription,
  identifier: number,
): Fanout[] {
  const { intake, sessions, retained } = connection.broker
  const { filter, ...options } = requested
  const { qos, retainHandling } = options
  const { session } = client
  const { isNew, records } = sessions.subscribe(session, filter, {
    ...options,
    subscriptionIdentifier: identifier,
  })
  for (const record of records) intake.record(record)
  // A shared subscription brings none (4.8.2).
  if (parseShared(filter).group !== undefined || retainHandling === 2 || (retainHandling === 1 && !isNew)) return []
  // It stays marked: that is how a subscriber knows it. [MQTT-3.3.1-8]
  const terms = { qos, retainAsPublished: true, subscriptionIdentifiers: identifier === 0 ? [] : [identifier] }
  const target: Target = { session, terms }
  return Array.from(retained.match(filter), (message: Message) => connection.broker.publishTo(target, message))
}
