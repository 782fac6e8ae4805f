/**
 * Retained messages: the last one of each topic that its publisher asked to keep. [MQTT-3.3.1-5 ff.]
 *
 * A message is kept in the same commit that its publisher's acknowledgement waits for, and shows to new subscribers from
 * then on. Their number and bytes are bounded; what does not fit is delivered, but not kept, and the publisher is told
 * where it can be.
 */
import type { Clock, KeyedRecord, Logger, Store } from "@brume/core"
import type { MqttLimits } from "./limits.ts"
import { decodeMessage, type Message, ownMemory, weightOf } from "./message.ts"
import type { Later } from "./session/later.ts"
import { prefix, removed, retainedKey, retainedRecord } from "./session/records.ts"
import { RetainedTree } from "./topics/retained-tree.ts"

export interface RetainedOptions {
  readonly store: Pick<Store, "entries">
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: MqttLimits
  readonly later: Later
}

export class Retained {
  readonly #options: RetainedOptions
  readonly #tree = new RetainedTree<Message>()
  /** Topics whose message has an end. */
  readonly #mortal = new Set<string>()

  constructor(options: RetainedOptions) {
    this.#options = options
    for (const [key, value] of options.store.entries("session")) {
      if (!key.startsWith(prefix.retained)) continue
      const message = decodeMessage(value)
      if (message === undefined) options.logger.error("A retained message is unreadable and is left out", { key })
      else this.#set(message)
    }
  }

  get count(): number {
    return this.#tree.size
  }

  get bytes(): number {
    return this.#tree.bytes
  }

  /** What keeping the message needs to be durable; undefined when there is no room for it. */
  plan(message: Message): KeyedRecord | undefined {
    // [MQTT-3.3.1-6]
    if (message.payload.length === 0) return removed(retainedKey(message.topic))
    const { limits } = this.#options
    const known = this.#tree.get(message.topic)
    const bytes = this.#tree.bytes + weightOf(message) - (known?.bytes ?? 0)
    const isFull = known === undefined && this.#tree.size >= limits.maxRetainedMessages
    return isFull || bytes > limits.maxRetainedBytes ? undefined : retainedRecord(message)
  }

  /** The record of {@link plan} is durable. */
  apply(message: Message): void {
    if (message.payload.length === 0) this.#tree.delete(message.topic)
    else this.#set(message)
  }

  /** Those that fit a filter and are not over. */
  *match(filter: string): Generator<Message> {
    const now = this.#options.clock.now()
    for (const { value: message } of this.#tree.match(filter)) {
      if (message.expiresAt === undefined || message.expiresAt > now) yield message
    }
  }

  /** Forgets those that are over. */
  sweep(): void {
    const now = this.#options.clock.now()
    const over: string[] = []
    for (const topic of this.#mortal) {
      const expiresAt = this.#tree.get(topic)?.value.expiresAt
      if (expiresAt === undefined) this.#mortal.delete(topic)
      else if (expiresAt <= now) over.push(topic)
    }
    for (const topic of over) {
      this.#mortal.delete(topic)
      this.#tree.delete(topic)
      this.#options.later.put(removed(retainedKey(topic)))
    }
  }

  #set(message: Message): void {
    this.#tree.set(message.topic, ownMemory(message), weightOf(message))
    if (message.expiresAt !== undefined) this.#mortal.add(message.topic)
  }
}
