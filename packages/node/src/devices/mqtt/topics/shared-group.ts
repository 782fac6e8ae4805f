/** The members of one shared subscription: those who said `$share/<name>/<filter>` with the same name and filter. (4.8.2) */
import type { SubscriptionOptions } from "./subscription.ts"

export interface GroupMember<S> {
  readonly subscriber: S
  readonly options: SubscriptionOptions
}

/**
 * Lives as long as it has members; results that were kept show its members of now. A message goes to one of them:
 * `next()` in turn, again for the next best when that one is away or full, at most `members.length` times.
 */
export class SharedGroup<S> {
  readonly name: string
  /** Without `$share/<name>/`. */
  readonly filter: string
  readonly #members: GroupMember<S>[] = []
  readonly #places = new Map<S, number>()
  #turn = 0

  constructor(name: string, filter: string) {
    this.name = name
    this.filter = filter
  }

  /** In no particular order that would mean something, but stable while nobody comes or goes. */
  get members(): readonly GroupMember<S>[] {
    return this.#members
  }

  /** The member whose turn it is. The group has members, or it is not in the tree. */
  next(): GroupMember<S> | undefined {
    if (this.#turn >= this.#members.length) this.#turn = 0
    return this.#members[this.#turn++]
  }

  /** For the tree. */
  get(subscriber: S): SubscriptionOptions | undefined {
    const place = this.#places.get(subscriber)
    return place === undefined ? undefined : this.#members[place]?.options
  }

  /** For the tree. */
  set(subscriber: S, options: SubscriptionOptions): void {
    const place = this.#places.get(subscriber) ?? this.#members.length
    this.#places.set(subscriber, place)
    this.#members[place] = { subscriber, options }
  }

  /** For the tree. The last member takes the free place, so that a large group can go in linear time. */
  delete(subscriber: S): boolean {
    const place = this.#places.get(subscriber)
    if (place === undefined) return false
    this.#places.delete(subscriber)
    const last = this.#members.pop()!
    if (last.subscriber !== subscriber) {
      this.#members[place] = last
      this.#places.set(last.subscriber, place)
    }
    return true
  }
}
