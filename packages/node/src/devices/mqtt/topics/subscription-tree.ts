/**
 * Who gets a message: subscriptions by the levels of their filters.
 *
 * T1 The work of a match is bounded by the topic's length and by the nodes whose filters begin like it; nothing recurs,
 *    so that filters and topics of 65,535 levels are only long.
 * T2 A node without subscribers and children does not exist.
 * T3 A result may be kept as long as `version` is the same. The members of a group are those of now.
 *
 * Filters were found good before they come here. A node takes some 200 bytes and a filter one for each of its levels
 * that no other shares: who takes filters from outside limits their levels.
 */
import { SharedGroup } from "./shared-group.ts"
import { SmallMap } from "./small-map.ts"
import { type Match, matchOf, merged, type SubscriptionOptions } from "./subscription.ts"

export interface Matches<S> {
  /** Each subscriber once. */
  readonly subscribers: readonly Match<S>[]
  /** One member of each gets the message, also when it is among the subscribers. (4.8.2) */
  readonly groups: readonly SharedGroup<S>[]
}

interface Node<S> {
  readonly parent: Node<S> | undefined
  readonly level: string
  children: SmallMap<string, Node<S>> | undefined
  subscribers: SmallMap<S, SubscriptionOptions> | undefined
  groups: SmallMap<string, SharedGroup<S>> | undefined
}

const noMatches: Matches<never> = { subscribers: [], groups: [] }

export class SubscriptionTree<S> {
  readonly #root: Node<S> = newNode(undefined, "")
  #version = 0
  #size = 0
  #nodes = 0

  /** Changes whenever the result of some match could change. (T3) */
  get version(): number {
    return this.#version
  }

  /** Subscriptions. */
  get size(): number {
    return this.#size
  }

  /** What the tree's memory grows with. */
  get nodes(): number {
    return this.#nodes
  }

  /** Adds a subscription, or replaces its options. Returns whether it is new. [MQTT-3.8.4-3] */
  set(filter: string, subscriber: S, options: SubscriptionOptions): boolean {
    const { group: name, filter: plain } = parseShared(filter)
    const node = this.#nodeFor(plain)
    let holder: { get(key: S): SubscriptionOptions | undefined; set(key: S, value: SubscriptionOptions): void }
    if (name === undefined) {
      node.subscribers ??= new SmallMap()
      holder = node.subscribers
    } else {
      node.groups ??= new SmallMap()
      let group = node.groups.get(name)
      if (group === undefined) {
        group = new SharedGroup(name, plain)
        node.groups.set(name, group)
      }
      holder = group
    }
    const old = holder.get(subscriber)
    if (old !== undefined && isSame(old, options)) return false
    holder.set(subscriber, options)
    this.#version++
    if (old === undefined) this.#size++
    return old === undefined
  }

  /** Returns whether there was such a subscription. */
  remove(filter: string, subscriber: S): boolean {
    const { group: name, filter: plain } = parseShared(filter)
    const node = this.#find(plain)
    if (node === undefined) return false
    if (name === undefined) {
      if (node.subscribers?.delete(subscriber) !== true) return false
      if (node.subscribers.size === 0) node.subscribers = undefined
    } else {
      const group = node.groups?.get(name)
      if (group?.delete(subscriber) !== true) return false
      if (group.members.length === 0) node.groups?.delete(name)
      if (node.groups?.size === 0) node.groups = undefined
    }
    this.#version++
    this.#size--
    this.#prune(node)
    return true
  }

  match(topic: string): Matches<S> {
    const found = new Found<S>()
    // [MQTT-4.7.2-1]
    const isSystem = topic.startsWith("$")
    let reached: Node<S>[] = [this.#root]
    for (let start = 0, isFirst = true; reached.length > 0 && start <= topic.length; isFirst = false) {
      const slash = topic.indexOf("/", start)
      const end = slash < 0 ? topic.length : slash
      const level = topic.slice(start, end)
      const next: Node<S>[] = []
      const hasWildcards = !(isFirst && isSystem)
      for (const { children } of reached) {
        if (children === undefined) continue
        const exact = children.get(level)
        if (exact !== undefined) next.push(exact)
        if (!hasWildcards) continue
        const one = children.get("+")
        if (one !== undefined) next.push(one)
        const rest = children.get("#")
        if (rest !== undefined) found.add(rest)
      }
      reached = next
      start = end + 1
    }
    for (const node of reached) {
      found.add(node)
      // `a/#` fits `a` too.
      const rest = node.children?.get("#")
      if (rest !== undefined) found.add(rest)
    }
    return found.matches
  }

  #nodeFor(filter: string): Node<S> {
    let node = this.#root
    for (let start = 0; start <= filter.length; ) {
      const slash = filter.indexOf("/", start)
      const end = slash < 0 ? filter.length : slash
      const level = filter.slice(start, end)
      node.children ??= new SmallMap()
      let child = node.children.get(level)
      if (child === undefined) {
        child = newNode(node, level)
        node.children.set(level, child)
        this.#nodes++
      }
      node = child
      start = end + 1
    }
    return node
  }

  #find(filter: string): Node<S> | undefined {
    let node: Node<S> | undefined = this.#root
    for (let start = 0; node !== undefined && start <= filter.length; ) {
      const slash = filter.indexOf("/", start)
      const end = slash < 0 ? filter.length : slash
      node = node.children?.get(filter.slice(start, end))
      start = end + 1
    }
    return node
  }

  /** Removes nodes that hold nothing any more, from here up. (T2) */
  #prune(from: Node<S>): void {
    let node = from
    while (
      node.parent !== undefined &&
      node.children === undefined &&
      node.subscribers === undefined &&
      node.groups === undefined
    ) {
      const { parent, level } = node
      parent.children?.delete(level)
      if (parent.children?.size === 0) parent.children = undefined
      this.#nodes--
      node = parent
    }
  }
}

/** Gathers what matching nodes hold, each subscriber once. */
class Found<S> {
  #first: Node<S> | undefined
  #bySubscriber: Map<S, Match<S>> | undefined
  readonly #groups: SharedGroup<S>[] = []

  add(node: Node<S>): void {
    node.groups?.forEach((group) => {
      this.#groups.push(group)
    })
    if (node.subscribers === undefined) return
    // Usually only one node has subscribers: then nobody can be found twice, and no map is needed.
    if (this.#first === undefined) {
      this.#first = node
      return
    }
    if (this.#bySubscriber === undefined) {
      this.#bySubscriber = new Map()
      this.#merge(this.#first, this.#bySubscriber)
    }
    this.#merge(node, this.#bySubscriber)
  }

  get matches(): Matches<S> {
    if (this.#first === undefined && this.#groups.length === 0) return noMatches
    if (this.#bySubscriber !== undefined) {
      return { subscribers: [...this.#bySubscriber.values()], groups: this.#groups }
    }
    const subscribers: Match<S>[] = []
    this.#first?.subscribers?.forEach((options, subscriber) => {
      subscribers.push(matchOf(subscriber, options))
    })
    return { subscribers, groups: this.#groups }
  }

  #merge(node: Node<S>, into: Map<S, Match<S>>): void {
    node.subscribers?.forEach((options, subscriber) => {
      const one = matchOf(subscriber, options)
      const other = into.get(subscriber)
      into.set(subscriber, other === undefined ? one : merged(other, one))
    })
  }
}

/** The group and the plain filter of `$share/<group>/<filter>`; any other filter has no group. */
export function parseShared(filter: string): { readonly group: string | undefined; readonly filter: string } {
  const slash = filter.startsWith("$share/") ? filter.indexOf("/", 7) : -1
  return slash < 0 ? { group: undefined, filter } : { group: filter.slice(7, slash), filter: filter.slice(slash + 1) }
}

function newNode<S>(parent: Node<S> | undefined, level: string): Node<S> {
  return { parent, level, children: undefined, subscribers: undefined, groups: undefined }
}

function isSame(one: SubscriptionOptions, other: SubscriptionOptions): boolean {
  return (
    one.qos === other.qos &&
    one.noLocal === other.noLocal &&
    one.retainAsPublished === other.retainAsPublished &&
    one.retainHandling === other.retainHandling &&
    one.subscriptionIdentifier === other.subscriptionIdentifier
  )
}
