/**
 * What the node knows of a topic: what it means as readings, and where its messages go. Kept with the topic until a
 * subscription changes.
 */
import type { TopicMapping } from "../mapping/mapping.ts"
import type { LocalSubscriber, LocalTaker } from "./own-messages.ts"
import type { Session } from "./session/session.ts"
import type { Delivery as Terms } from "./topics/subscription.ts"
import type { Matches, SubscriptionTree } from "./topics/subscription-tree.ts"

export interface Topic {
  readonly name: string
  readonly mapping: TopicMapping | undefined
  /** The same for payloads of a content type of MQTT 5 that the mapping heeds. */
  byContentType: Map<string, TopicMapping | undefined> | undefined
  /** It is longer, or has more levels, than the server takes. */
  readonly isTooLong: boolean
  /** It begins with `$`: not for everybody. */
  readonly isSystem: boolean
  /** The part of the node that wants to see its messages. */
  local: LocalTaker | undefined
  /** Version of the local subscriptions that this is of. */
  localVersion: number
  matches: Matches<Session>
  /** Version of the subscriptions that these are of. */
  version: number
}

/** A session that gets a message, and how. */
export interface Target {
  readonly session: Session
  readonly terms: Terms
}

export function refreshLocal(topic: Topic, subscriber: LocalSubscriber | undefined): void {
  if (subscriber === undefined || topic.localVersion === subscriber.version) return
  topic.local = subscriber.on(topic.name)
  topic.localVersion = subscriber.version
}

export function refreshRoutes(topic: Topic, tree: SubscriptionTree<Session>): void {
  if (topic.version === tree.version) return
  topic.matches = tree.match(topic.name)
  topic.version = tree.version
}

export function hasRoutes({ matches }: Topic): boolean {
  return matches.subscribers.length > 0 || matches.groups.length > 0
}

/** One member of each shared group: in turn, those who can take it at once first. (4.8.2) */
export function* membersOf({ matches }: Topic): Generator<Target> {
  for (const group of matches.groups) {
    let fallback: Target | undefined
    for (let step = 0; step < group.members.length; step++) {
      const member = group.next()
      if (member === undefined) break
      const { subscriber: session, options } = member
      const { qos, retainAsPublished, subscriptionIdentifier: id } = options
      const target = { session, terms: { qos, retainAsPublished, subscriptionIdentifiers: id === 0 ? [] : [id] } }
      if (session.consumer?.isReady === true && !session.isBehind) {
        fallback = target
        break
      }
      if (fallback === undefined || (session.consumer !== undefined && fallback.session.consumer === undefined))
        fallback = target
    }
    if (fallback !== undefined) yield fallback
  }
}
