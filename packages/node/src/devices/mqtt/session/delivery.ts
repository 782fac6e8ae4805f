/** A QoS 1 or 2 message on its way to one session. */
import type { Message } from "../message.ts"

/** A message that several sessions wait for, once in the log. */
export interface SharedMessage {
  readonly id: number
  /** Deliveries that are not finished. */
  references: number
}

export interface Delivery {
  readonly message: Message
  readonly qos: 1 | 2
  /** As the subscriber is to see it. [MQTT-3.3.1-12, -13] */
  readonly retain: boolean
  readonly subscriptionIdentifiers: readonly number[]
  /** Its place in its session: see {@link packetIdOf}. */
  readonly number: number
  /** Bytes that it counts for. */
  readonly weight: number
  /** `waiting`: not sent on this connection; `sent`: PUBLISH is out; `released`: PUBREC came, PUBREL is due or out. */
  stage: "waiting" | "sent" | "released"
  /** It was sent before, so that the next time is a repetition. [MQTT-3.3.1-1] */
  wasSent: boolean
  /** It is in the log. */
  readonly isStored: boolean
  readonly shared: SharedMessage | undefined
}

/**
 * The packet identifier follows from the place in the session, so that it survives with it and needs no record of its
 * own: a message that is sent again after a crash has the identifier of the first time. [MQTT-4.4.0-1]
 */
export function packetIdOf(number: number): number {
  return (number % 65_535) + 1
}
