/**
 * All sessions of a node, by client identifier, with their subscriptions.
 *
 * - S5 A session that outlives its connection is in the log with its subscriptions before its client is told so.
 * - S6 An ended session leaves nothing: its subscriptions, deliveries and records go together.
 * - S7 Their number is bounded, and how long one may be away.
 */
import type { Clock, KeyedRecord, Logger, Store } from "@brume/core"
import type { MqttLimits } from "../limits.ts"
import type { SubscriptionOptions } from "../topics/subscription.ts"
import { SubscriptionTree } from "../topics/subscription-tree.ts"
import type { Backlog } from "./backlog.ts"
import type { Later } from "./later.ts"
import {
  filterKey,
  filterRecord,
  incomingKey,
  parseJson,
  prefix,
  removed,
  type StoredSession,
  sessionKey,
  sessionRecord,
  splitKey,
} from "./records.ts"
import { type QueuedTotals, Session, type SessionFacts, type SessionPorts } from "./session.ts"

export interface SessionsOptions {
  readonly store: Pick<Store, "entries">
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: MqttLimits
  readonly backlog: Backlog
  readonly later: Later
  /** Makes the records durable, then calls; see `Session`. */
  readonly commit: (records: readonly KeyedRecord[], then: () => void) => void
  /** A session was forgotten because it was away for too long. */
  readonly onExpired: (session: Session) => void
}

export interface Begin {
  readonly clientId: string
  readonly owner: string
  readonly isClean: boolean
  /** Seconds; Infinity where it never ends by itself. */
  readonly expiryS: number
  /** It is the node's own and needs no limit. */
  readonly isOwn?: boolean
}

export interface Begun {
  readonly session: Session
  readonly isPresent: boolean
  /** To be durable before the client is told. Empty where nothing needs to be. */
  readonly records: readonly KeyedRecord[]
}

export class Sessions {
  readonly tree = new SubscriptionTree<Session>()
  /** What waits for all of them. */
  readonly queued: QueuedTotals = { messages: 0, bytes: 0 }
  readonly #options: SessionsOptions
  readonly #ports: SessionPorts
  readonly #byClient = new Map<string, Session>()
  /** Those without a connection that end by themselves. */
  readonly #detached = new Set<Session>()
  #nextNumber = 1
  #subscriptions = 0

  constructor(options: SessionsOptions) {
    this.#options = options
    const { backlog, clock, commit, limits } = options
    this.#ports = {
      totals: this.queued,
      maxMessages: limits.maxQueuedMessages,
      maxBytes: limits.maxQueuedBytes,
      now: clock.now,
      onFinished: (session, delivery) => backlog.finish(session, delivery),
      onReceived: (session, delivery, then) =>
        commit(delivery.isStored ? [backlog.released(session, delivery)] : [], then),
    }
    this.#load()
  }

  get count(): number {
    return this.#byClient.size
  }

  get subscriptions(): number {
    return this.#subscriptions
  }

  get isFull(): boolean {
    return this.#byClient.size >= this.#options.limits.maxSessions
  }

  get(clientId: string): Session | undefined {
    return this.#byClient.get(clientId)
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#byClient.values()
  }

  /** The session for a client that connects. The caller attaches it. */
  begin({ clientId, owner, isClean, expiryS, isOwn = false }: Begin): Begun {
    const records: KeyedRecord[] = []
    let session = this.#byClient.get(clientId)
    // S7: what only ends with a disconnection that never comes would stay for ever.
    const limitedS = isOwn ? expiryS : Math.min(expiryS, this.#options.limits.maxSessionExpiryS)
    if (session !== undefined && (isClean || session.facts.owner !== owner)) {
      records.push(...this.end(session))
      session = undefined
    }
    if (session !== undefined) {
      this.#detached.delete(session)
      // A session that is left open for ever would look detached after a crash since it was left before.
      const isChanged = session.expiryS !== limitedS || session.detachedAt !== undefined
      session.detachedAt = undefined
      session.expiryS = limitedS
      if (session.isPersistent) {
        if (isChanged) records.push(recordOf(session))
      } else records.push(...this.#recordsOf(session))
      return { session, isPresent: true, records }
    }
    const facts = { clientId, owner, number: this.#nextNumber++, created: this.#options.clock.now() }
    const made = this.#make(facts, limitedS)
    if (made.isPersistent) records.push(recordOf(made))
    return { session: made, isPresent: false, records }
  }

  /** The connection is gone. What needs no waiting for is done; a session that does not outlive it ends. */
  leave(session: Session): void {
    const { clock, later } = this.#options
    if (!session.isPersistent) {
      for (const record of this.end(session)) later.put(record)
      return
    }
    session.detach(clock.now())
    later.put(recordOf(session))
    this.#detached.add(session)
  }

  /** The client changes how long it is kept. [MQTT-3.14.2-2] */
  setExpiry(session: Session, expiryS: number): void {
    const wasPersistent = session.isPersistent
    session.expiryS = Math.min(expiryS, this.#options.limits.maxSessionExpiryS)
    if (wasPersistent && !session.isPersistent)
      for (const record of this.#recordsOf(session)) this.#options.later.put(record)
  }

  /** S6: forgets a session; returns the removal of everything that the log has of it. */
  end(session: Session): KeyedRecord[] {
    if (this.#byClient.get(session.clientId) !== session) return []
    const records = this.#recordsOf(session)
    this.#byClient.delete(session.clientId)
    this.#detached.delete(session)
    for (const filter of [...session.subscriptions.keys()]) this.unsubscribe(session, filter)
    session.detach(this.#options.clock.now())
    for (const delivery of session.clear()) this.#options.backlog.finish(session, delivery)
    return records
  }

  /** Returns what must be durable before the client is told, and whether the subscription is new. */
  subscribe(
    session: Session,
    filter: string,
    options: SubscriptionOptions,
  ): { readonly isNew: boolean; readonly records: readonly KeyedRecord[] } {
    const isNew = !session.subscriptions.has(filter)
    if (isNew) this.#subscriptions++
    session.subscribe(filter, options)
    this.tree.set(filter, session, options)
    const records = session.isPersistent ? [filterRecord(session.facts.number, filter, options)] : []
    return { isNew, records }
  }

  unsubscribe(
    session: Session,
    filter: string,
  ): { readonly existed: boolean; readonly records: readonly KeyedRecord[] } {
    const existed = session.unsubscribe(filter)
    if (!existed) return { existed, records: [] }
    this.#subscriptions--
    this.tree.remove(filter, session)
    return { existed, records: session.isPersistent ? [removed(filterKey(session.facts.number, filter))] : [] }
  }

  /** Ends sessions whose time is over. */
  sweep(): void {
    const { clock, later, onExpired } = this.#options
    const now = clock.now()
    for (const session of this.#detached) {
      const { detachedAt, expiryS } = session
      if (detachedAt === undefined || now - detachedAt < expiryS * 1_000_000) continue
      onExpired(session)
      for (const record of this.end(session)) later.put(record)
    }
  }

  #make(facts: SessionFacts, expiryS: number): Session {
    const session = new Session(facts, this.#ports)
    session.expiryS = expiryS
    this.#byClient.set(facts.clientId, session)
    return session
  }

  /** Removals of everything that the log has of a session, but for its deliveries. */
  #recordsOf(session: Session): KeyedRecord[] {
    const { number } = session.facts
    return [
      removed(sessionKey(session.clientId)),
      ...[...session.subscriptions.keys()].map((filter) => removed(filterKey(number, filter))),
      ...[...session.incoming].map((packetId) => removed(incomingKey(number, packetId))),
    ]
  }

  #load(): void {
    const { store, clock, logger, backlog, later } = this.#options
    const now = clock.now()
    const byNumber = new Map<number, Session>()
    const entries = [...store.entries("session")]
    for (const [key, value] of entries) {
      if (!key.startsWith(prefix.session)) continue
      const stored = parseJson<StoredSession>(value)
      if (typeof stored?.number !== "number" || typeof stored.owner !== "string") {
        logger.error("A session's record is unreadable; the session is forgotten", { key })
        later.put(removed(key))
        continue
      }
      const clientId = key.slice(prefix.session.length)
      const { number, owner, created, expiryS } = stored
      const session = this.#make({ clientId, number, owner, created }, expiryS ?? Number.POSITIVE_INFINITY)
      // Whoever was connected when the node stopped has been away since now.
      session.detachedAt = Math.min(stored.detachedAt ?? now, now)
      byNumber.set(number, session)
      this.#detached.add(session)
      this.#nextNumber = Math.max(this.#nextNumber, number + 1)
    }
    for (const [key, value] of entries) this.#loadDetail(key, value, byNumber)
    backlog.restore(entries, byNumber)
  }

  #loadDetail(key: string, value: Uint8Array, byNumber: ReadonlyMap<number, Session>): void {
    const isFilter = key.startsWith(prefix.filter)
    if (!isFilter && !key.startsWith(prefix.incoming)) return
    const at = splitKey(key, isFilter ? prefix.filter.length : prefix.incoming.length)
    const session = at === undefined ? undefined : byNumber.get(at.session)
    if (at !== undefined) this.#nextNumber = Math.max(this.#nextNumber, at.session + 1)
    if (session === undefined || at === undefined) {
      this.#options.later.put(removed(key))
      return
    }
    if (!isFilter) {
      session.takeIncoming(Number(at.rest))
      return
    }
    const options = parseJson<SubscriptionOptions>(value)
    if (options !== undefined) this.subscribe(session, at.rest, options)
  }
}

function recordOf({ clientId, facts, expiryS, detachedAt }: Session): KeyedRecord {
  return sessionRecord(clientId, {
    number: facts.number,
    owner: facts.owner,
    created: facts.created,
    expiryS: Number.isFinite(expiryS) ? expiryS : null,
    ...(detachedAt === undefined ? {} : { detachedAt }),
  })
}
