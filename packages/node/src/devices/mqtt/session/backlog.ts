/**
 * What sessions that outlive their connection are owed: one record for each delivery in the log, and one for each
 * message that several of them share.
 *
 * - B1 A delivery's record is in the commit that its publisher's acknowledgement waits for.
 * - B2 It goes when the delivery is finished; the shared message goes with the last of them.
 */
import type { KeyedRecord, Logger } from "@brume/core"
import { decodeMessage, type Message, weightOf } from "../message.ts"
import type { Delivery, SharedMessage } from "./delivery.ts"
import type { Later } from "./later.ts"
import {
  deliveryRecord,
  messageKey,
  messageRecord,
  parseDelivery,
  prefix,
  queueKey,
  removed,
  splitKey,
} from "./records.ts"
import type { Session } from "./session.ts"

export interface BacklogOptions {
  readonly later: Later
  readonly logger: Logger
}

export class Backlog {
  readonly #options: BacklogOptions
  #nextShared = 1

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  /** Where several sessions wait for a message, it is stored once. */
  share(message: Message, records: KeyedRecord[]): SharedMessage {
    const shared = { id: this.#nextShared++, references: 0 }
    records.push(messageRecord(shared.id, message))
    return shared
  }

  /** B1 */
  record(session: Session, delivery: Delivery): KeyedRecord {
    const { message, qos, retain, subscriptionIdentifiers, shared } = delivery
    if (shared !== undefined) shared.references++
    return deliveryRecord(session.facts.number, delivery.number, {
      qos,
      retain,
      isReleased: false,
      mayBeSent: session.consumer !== undefined,
      subscriptionIdentifiers,
      message: shared === undefined ? message : undefined,
      sharedId: shared?.id,
    })
  }

  /** The PUBREC of a delivery came: what remains of it is its identifier. */
  released(session: Session, delivery: Delivery): KeyedRecord {
    return deliveryRecord(session.facts.number, delivery.number, {
      qos: 2,
      retain: false,
      isReleased: true,
      mayBeSent: true,
      subscriptionIdentifiers: [],
      message: undefined,
      sharedId: undefined,
    })
  }

  /** B2 */
  finish(session: Session, delivery: Delivery): void {
    if (!delivery.isStored) return
    const { later } = this.#options
    later.put(removed(queueKey(session.facts.number, delivery.number)))
    if (delivery.shared !== undefined && --delivery.shared.references === 0)
      later.put(removed(messageKey(delivery.shared.id)))
  }

  /** Puts everything that the log has back into the sessions, by their numbers. */
  restore(entries: Iterable<readonly [key: string, value: Uint8Array]>, sessions: ReadonlyMap<number, Session>): void {
    const { later, logger } = this.#options
    const messages = new Map<number, { readonly message: Message; readonly shared: SharedMessage }>()
    const queued = new Map<Session, { readonly number: number; readonly value: Uint8Array }[]>()
    for (const [key, value] of entries) {
      if (key.startsWith(prefix.message)) {
        const id = Number(key.slice(prefix.message.length))
        const message = decodeMessage(value)
        this.#nextShared = Math.max(this.#nextShared, id + 1)
        if (message === undefined) logger.error("A stored message is unreadable and is left out", { key })
        else messages.set(id, { message, shared: { id, references: 0 } })
      } else if (key.startsWith(prefix.queue)) {
        const at = splitKey(key, prefix.queue.length)
        const session = at === undefined ? undefined : sessions.get(at.session)
        if (session === undefined) later.put(removed(key))
        else add(queued, session, { number: Number(at?.rest), value })
      }
    }
    for (const [session, deliveries] of queued) {
      for (const { number, value } of deliveries.sort((a, b) => a.number - b.number)) {
        const stored = parseDelivery(value)
        const shared = stored?.sharedId === undefined ? undefined : messages.get(stored.sharedId)
        const message =
          shared?.message ?? stored?.message ?? (stored?.isReleased === true ? releasedMessage : undefined)
        if (stored === undefined || message === undefined) {
          logger.error("A stored delivery is unreadable and is left out", { client: session.clientId, number })
          later.put(removed(queueKey(session.facts.number, number)))
          continue
        }
        if (shared !== undefined) shared.shared.references++
        session.restore({
          message,
          qos: stored.qos,
          retain: stored.retain,
          subscriptionIdentifiers: stored.subscriptionIdentifiers,
          number,
          weight: weightOf(message),
          stage: stored.isReleased ? "released" : "waiting",
          wasSent: stored.mayBeSent,
          isStored: true,
          shared: shared?.shared,
        })
      }
    }
    for (const { shared } of messages.values()) if (shared.references === 0) later.put(removed(messageKey(shared.id)))
  }
}

/** Stands in for the message of a delivery that needs it no more. */
const releasedMessage: Message = {
  topic: "",
  payload: new Uint8Array(0),
  qos: 2,
  retain: false,
  expiresAt: undefined,
  properties: new Uint8Array(0),
}

function add<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
