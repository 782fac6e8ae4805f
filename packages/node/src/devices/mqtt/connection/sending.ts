/** PUBLISH to a client. What is larger than it takes is not sent to it, and counts as delivered. [MQTT-3.1.2-25] */
import type { Message } from "../message.ts"
import type { Delivery } from "../session/delivery.ts"
import { type PublishForm, publishBytes, writeCopy, writePublish } from "../wire/publish-writer.ts"
import type { Connection } from "./connection.ts"

export interface OnceDelivery {
  readonly message: Message
  readonly isRetained: boolean
  readonly subscriptionIdentifiers: readonly number[]
}

/** At QoS 0. */
export function sendOnce(connection: Connection, delivery: OnceDelivery): void {
  const { message, isRetained, subscriptionIdentifiers } = delivery
  const { encoder } = connection.broker
  const { version } = connection
  const hasOwnForm = version === 5 && subscriptionIdentifiers.length > 0
  const packet = hasOwnForm ? undefined : encoder.whole(message, version, isRetained)
  if (packet === undefined) {
    const messageExpirySeconds = encoder.expiryOf(message)
    write(connection, message, { version, qos: 0, isRetained, messageExpirySeconds, subscriptionIdentifiers })
  } else if (packet.length <= limitOf(connection)) {
    connection.output.append(packet)
    count(connection, packet.length)
  }
}

/** At QoS 1 or 2. Returns false when it is not sent. */
export function sendDelivery(
  connection: Connection,
  { message, qos, retain: isRetained, subscriptionIdentifiers }: Delivery,
  { packetId, isDuplicate }: { readonly packetId: number; readonly isDuplicate: boolean },
): boolean {
  const { encoder } = connection.broker
  const { version } = connection
  const messageExpirySeconds = encoder.expiryOf(message)
  const hasOwnForm = version === 5 && subscriptionIdentifiers.length > 0
  const template = hasOwnForm ? undefined : encoder.template(message, version, qos, isRetained)
  if (template === undefined) {
    const form = { version, qos, isRetained, isDuplicate, packetId, messageExpirySeconds }
    return write(connection, message, { ...form, subscriptionIdentifiers })
  }
  if (template.bytes.length > limitOf(connection)) return false
  writeCopy(connection.output, template, { packetId, isDuplicate, messageExpirySeconds })
  count(connection, template.bytes.length)
  return true
}

function write(connection: Connection, message: Message, form: PublishForm): boolean {
  const outgoing = connection.broker.encoder.outgoing(message)
  const bytes = publishBytes(outgoing, form)
  if (bytes > limitOf(connection)) return false
  writePublish(connection.output, outgoing, form)
  count(connection, bytes)
  return true
}

const limitOf = ({ client }: Connection): number => client?.maximumPacketBytes ?? 0

function count(connection: Connection, bytes: number): void {
  const { statistics } = connection.broker
  connection.messagesSent++
  statistics.messagesSent++
  statistics.bytesSent += bytes
}
