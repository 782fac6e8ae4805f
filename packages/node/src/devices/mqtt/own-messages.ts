/**
 * Messages between the front and other parts of the node: those that it sends for them, and those that they want to see.
 *
 * - O1 A message of the node leaves when its sender's commit is durable: the sender gets the records that sessions and
 *   retained messages need, and says how the commit ended.
 * - O2 A local subscriber sees a message while its turn is open; what it makes of it is in the commit that the message's
 *   own acknowledgement waits for (I1 in intake.ts).
 * - O3 A message that the node takes itself too becomes readings, and local subscribers see it, in a turn of its own right
 *   after its sender's commit: what it causes there is another commit.
 * - O4 What is published as if by a client is that: it is in a turn of the intake, with the records of its sender.
 */
import type { FogError, KeyedRecord } from "@brume/core"
import type { Message, Qos } from "./message.ts"
import { encodeProperties } from "./wire/properties.ts"

export interface OwnMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: Qos
  readonly retain: boolean
  /** Wall time at which nobody needs it any more, µs since 1970 UTC. */
  readonly expiresAt?: number | undefined
  /** For subscribers that speak 5.0. */
  readonly responseTopic?: string
  readonly correlationData?: Buffer
  readonly contentType?: string
  /** The node itself takes it as if a client had sent it (O3). @default false */
  readonly isTaken?: boolean
}

/** A message whose sender makes it durable. */
export interface PlannedMessage {
  readonly records: readonly KeyedRecord[]
  /** Somebody who is connected gets it, or a session keeps it. */
  readonly isReaching: boolean
  /** Whether it may have left towards somebody. */
  isSent(): boolean
  /**
   * Where the node takes it itself (O3): settles when that is durable, or with why it was refused. Undefined where there
   * is nothing to take: its topic is not mapped, and nobody in the node wants it.
   */
  readonly taken: Promise<FogError | undefined> | undefined
  /** To be called once. @param error why the records will never be durable; undefined when they are. */
  end(error: FogError | undefined): void
}

export interface OwnMessages {
  plan(message: OwnMessage): PlannedMessage
}

export interface OwnPublisher extends OwnMessages {
  /**
   * Publishes as if a client had (O4). Resolves when the turn is durable; rejects with why it never will be.
   * @param records for the same commit
   */
  publish(message: OwnMessage, records?: readonly KeyedRecord[]): Promise<void>
}

/** What a local subscriber makes of a message. */
export interface TakenMessage {
  /** For the commit of the message's turn. */
  readonly records: readonly KeyedRecord[]
  /** @param error why the turn was refused; undefined when it is durable. */
  end(error: FogError | undefined): void
}

export interface LocalSubscriber {
  /** Grows when {@link on} may answer otherwise than before. */
  readonly version: number
  /** Who takes the messages of a topic; undefined where nobody wants them. */
  on(topic: string): LocalTaker | undefined
  /** Whether a topic is for one message alone, so that nothing of it is worth remembering. */
  isBrief?(topic: string): boolean
}

/** Must not throw. Undefined where it makes nothing of the message. */
export type LocalTaker = (message: Message) => TakenMessage | undefined

const nothing = new Uint8Array(0)

export function messageOf(message: OwnMessage): Message {
  const { responseTopic, correlationData, contentType, isTaken: _isTaken, ...own } = message
  const properties: Parameters<typeof encodeProperties>[0] = {}
  if (contentType !== undefined) properties.contentType = contentType
  if (responseTopic !== undefined) properties.responseTopic = responseTopic
  if (correlationData !== undefined) properties.correlationData = correlationData
  const isPlain = Object.keys(properties).length === 0
  return { ...own, expiresAt: own.expiresAt, properties: isPlain ? nothing : encodeProperties(properties) }
}
