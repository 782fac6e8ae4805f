/** A client whose CONNECT was accepted, and the words that the parts of its connection share. */
import type { MqttIdentity } from "../access.ts"
import type { Topic } from "../routes.ts"
import type { Session } from "../session/session.ts"
import type { Connect } from "../wire/connect.ts"
import type { AcknowledgementType } from "../wire/packet-type.ts"

export interface Client {
  readonly id: string
  readonly identity: MqttIdentity
  readonly session: Session
  /** 3 for MQTT 3.1. */
  readonly level: Connect["level"]
  readonly maximumPacketBytes: number
  readonly wantsProblemInformation: boolean
  /** It asked for a session that ends with its connection. */
  readonly isShortLived: boolean
  readonly keepAliveMs: number
  /** Wall time, µs. */
  readonly since: number
  /** Aliases that it gave. [MQTT-3.3.2-12] */
  aliases: Map<number, Topic> | undefined
  /** Which topics it may publish, as far as that was asked. */
  publishable: Map<Topic, boolean> | undefined
}

/** Reasons not to read what a client sends, as bits. */
export const holds = { connecting: 1, store: 2, window: 4, rate: 8, congestion: 16 } as const

/** An acknowledgement as one number, which a turn keeps until it is durable. */
export function answerCode(type: AcknowledgementType, code: number, packetId: number): number {
  return (type << 24) | (code << 16) | packetId
}

/** 0xffffffff stands for "never". */
export function expirySeconds(given: number): number {
  return given === 0xffff_ffff ? Number.POSITIVE_INFINITY : given
}
