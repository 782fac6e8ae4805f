/** What a subscription asks for, and what a message to a subscriber becomes when several of them fit. */

export interface SubscriptionOptions {
  readonly qos: 0 | 1 | 2
  /** The subscriber does not want what it published itself. */
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** For whoever sends retained messages: 0 always, 1 when the subscription is new, 2 never. */
  readonly retainHandling: 0 | 1 | 2
  /** 0 for none. */
  readonly subscriptionIdentifier: number
}

/** How a message is delivered. It goes to a subscriber once, whatever the number of its filters that fit. (3.3.4) */
export interface Delivery {
  /** The highest of the subscriptions. [MQTT-3.3.4-2] */
  readonly qos: 0 | 1 | 2
  /** Whether one of the subscriptions wants the flag as it was published. */
  readonly retainAsPublished: boolean
  /** Of all subscriptions that have one. [MQTT-3.3.4-4] */
  readonly subscriptionIdentifiers: readonly number[]
}

export interface Match<S> {
  readonly subscriber: S
  readonly delivery: Delivery
  /** For messages that the subscriber published itself: by the subscriptions without no-local. [MQTT-3.8.3-3] */
  readonly ownDelivery: Delivery | undefined
}

const noIdentifiers: readonly number[] = []

export function matchOf<S>(subscriber: S, { noLocal, ...options }: SubscriptionOptions): Match<S> {
  const { qos, retainAsPublished, subscriptionIdentifier } = options
  const subscriptionIdentifiers = subscriptionIdentifier === 0 ? noIdentifiers : [subscriptionIdentifier]
  const delivery = { qos, retainAsPublished, subscriptionIdentifiers }
  return { subscriber, delivery, ownDelivery: noLocal ? undefined : delivery }
}

/** Two matches of one subscriber as one. */
export function merged<S>(one: Match<S>, other: Match<S>): Match<S> {
  return {
    subscriber: one.subscriber,
    delivery: together(one.delivery, other.delivery),
    ownDelivery:
      one.ownDelivery === undefined || other.ownDelivery === undefined
        ? (one.ownDelivery ?? other.ownDelivery)
        : together(one.ownDelivery, other.ownDelivery),
  }
}

function together(one: Delivery, other: Delivery): Delivery {
  return {
    qos: one.qos > other.qos ? one.qos : other.qos,
    retainAsPublished: one.retainAsPublished || other.retainAsPublished,
    subscriptionIdentifiers: [...new Set([...one.subscriptionIdentifiers, ...other.subscriptionIdentifiers])],
  }
}
