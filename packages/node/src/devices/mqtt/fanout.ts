/**
 * One message and the sessions that get it: chosen when the message comes, handed over when its turn is durable.
 *
 * For each QoS 1 or 2 delivery its place in the session is taken at once, and its record is among those that the turn
 * makes durable. What finds no room in its session is dropped for that session alone, counted and said.
 */
import type { FogError, KeyedRecord } from "@brume/core"
import { type Message, weightOf } from "./message.ts"
import { membersOf, type Target, type Topic } from "./routes.ts"
import type { Backlog } from "./session/backlog.ts"
import type { Delivery, SharedMessage } from "./session/delivery.ts"
import type { Session } from "./session/session.ts"
import type { Match } from "./topics/subscription.ts"

export interface FanoutOptions {
  readonly backlog: Backlog
  /** Whether all sessions together have room for more. */
  readonly hasRoom: () => boolean
  readonly onDropped: (session: Session, message: Message) => void
}

interface Planned {
  readonly session: Session
  readonly delivery: Delivery
}

/** Who gets a message at QoS 0; the matches are the topic's own, which are not copied for each message. */
interface Once {
  readonly matches: readonly Match<Session>[]
  readonly sender: Session | undefined
  readonly targets: readonly Target[]
}

const nobody: readonly never[] = []

export class Fanout {
  readonly message: Message
  readonly deliveries: readonly Planned[]
  readonly #once: Once
  /** At QoS 0, by somebody. */
  #isHeard = false

  constructor(message: Message, once: Once, deliveries: readonly Planned[]) {
    this.message = message
    this.deliveries = deliveries
    this.#once = once
  }

  /** Somebody who is connected gets it, or a session keeps it. */
  get isReaching(): boolean {
    if (this.deliveries.length > 0) return true
    const { matches, targets } = this.#once
    return (
      matches.some(({ subscriber }) => subscriber.consumer !== undefined) ||
      targets.some(({ session }) => session.consumer !== undefined)
    )
  }

  /** It may have left towards somebody, now that it was handed over. */
  get isSent(): boolean {
    return this.#isHeard || this.deliveries.some(({ delivery }) => delivery.wasSent)
  }

  /** @param error why the message was refused; undefined when it is durable where it must be. */
  end(error: FogError | undefined): void {
    for (const { session, delivery } of this.deliveries) {
      if (error === undefined) session.offer(delivery)
      else session.unreserve(delivery.weight)
    }
    if (error !== undefined) return
    const { matches, sender, targets } = this.#once
    for (const match of matches) {
      const terms = termsFor(match, sender)
      if (terms !== undefined) this.#deliverOnce(match.subscriber, terms)
    }
    for (const { session, terms } of targets) this.#deliverOnce(session, terms)
  }

  #deliverOnce({ consumer }: Session, { retainAsPublished, subscriptionIdentifiers }: Target["terms"]): void {
    const { message } = this
    if (consumer !== undefined) this.#isHeard = true
    consumer?.deliverOnce(message, retainAsPublished && message.retain, subscriptionIdentifiers)
  }
}

/** A message to all who subscribed to its topic. Adds what must be durable to `records`. */
export function planFanout(
  message: Message,
  { topic, sender }: { readonly topic: Topic; readonly sender: Session | undefined },
  records: KeyedRecord[],
  options: FanoutOptions,
): Fanout {
  const { subscribers } = topic.matches
  const members = topic.matches.groups.length === 0 ? nobody : [...membersOf(topic)]
  if (message.qos === 0) return new Fanout(message, { matches: subscribers, sender, targets: members }, nobody)
  const targets: Target[] = [...members]
  for (const match of subscribers) {
    const terms = termsFor(match, sender)
    if (terms !== undefined) targets.push({ session: match.subscriber, terms })
  }
  return planFor(message, targets, records, options)
}

/** A message to given sessions. */
export function planFor(
  message: Message,
  targets: readonly Target[],
  records: KeyedRecord[],
  options: FanoutOptions,
): Fanout {
  const isOnce = ({ terms }: Target): boolean => terms.qos === 0 || message.qos === 0
  const certain = targets.filter((target) => !isOnce(target))
  let stored = 0
  for (const { session } of certain) if (session.isPersistent) stored++
  const shared = stored > 1 ? options.backlog.share(message, records) : undefined
  const deliveries: Planned[] = []
  for (const { session, terms } of certain) {
    const delivery = planDelivery(message, { session, terms }, shared, options)
    if (delivery === undefined) options.onDropped(session, message)
    else {
      if (delivery.isStored) records.push(options.backlog.record(session, delivery))
      deliveries.push({ session, delivery })
    }
  }
  const once = certain.length === targets.length ? nobody : targets.filter(isOnce)
  return new Fanout(message, { matches: nobody, sender: undefined, targets: once }, deliveries)
}

/** Its own messages do not come back to a sender that asked so. [MQTT-3.8.3-3] */
function termsFor({ subscriber, delivery, ownDelivery }: Match<Session>, sender: Session | undefined) {
  return subscriber === sender ? ownDelivery : delivery
}

function planDelivery(
  message: Message,
  { session, terms }: Target,
  shared: SharedMessage | undefined,
  { hasRoom }: FanoutOptions,
): Delivery | undefined {
  const weight = weightOf(message)
  const number = hasRoom() ? session.reserve(weight) : undefined
  if (number === undefined) return undefined
  return {
    message,
    qos: (terms.qos < message.qos ? terms.qos : message.qos) as 1 | 2,
    retain: terms.retainAsPublished && message.retain,
    subscriptionIdentifiers: terms.subscriptionIdentifiers,
    number,
    weight,
    stage: "waiting",
    wasSent: false,
    isStored: session.isPersistent,
    shared: session.isPersistent ? shared : undefined,
  }
}
