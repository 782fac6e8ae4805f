/**
 * Wills: messages that clients leave with the node, for when they are lost. [MQTT-3.1.2-8 ff.]
 *
 * - A will is durable before its client's CONNACK, so that a node that falls with its clients publishes it when it is
 *   back.
 * - A delayed will waits until its delay is over or its session ends, whichever comes first, and is forgotten when the
 *   client is back before. [MQTT-3.1.3-9]
 */
import type { Clock, KeyedRecord, Logger, Store } from "@brume/core"
import type { Message } from "./message.ts"
import type { Later } from "./session/later.ts"
import { parseWill, prefix, removed, willKey, willRecord } from "./session/records.ts"

export interface Will {
  readonly message: Message
  readonly delayS: number
  /** Whose it is, for the log. */
  readonly owner: string
}

export interface WillsOptions {
  readonly store: Pick<Store, "entries">
  readonly clock: Clock
  readonly logger: Logger
  readonly later: Later
  readonly publish: (clientId: string, will: Will) => void
}

export class Wills {
  readonly #options: WillsOptions
  /** Due times, monotonic ms. */
  readonly #due = new Map<string, { readonly will: Will; readonly atMs: number }>()

  constructor(options: WillsOptions) {
    this.#options = options
    for (const [key, value] of options.store.entries("session")) {
      if (!key.startsWith(prefix.will)) continue
      const found = parseWill(value)
      if (found === undefined) {
        options.logger.error("A will is unreadable and is forgotten", { key })
        options.later.put(removed(key))
      } else {
        const { message, will } = found
        // Its client was lost with the node. What is due is published by the first sweep.
        this.#wait(key.slice(prefix.will.length), { message, delayS: will.delayS, owner: will.owner })
      }
    }
  }

  get waiting(): number {
    return this.#due.size
  }

  /** A client connects with a will, or without: what it left before is void. */
  place(clientId: string, will: Will | undefined): KeyedRecord | undefined {
    const wasWaiting = this.#due.delete(clientId)
    if (will !== undefined) {
      const { message, delayS, owner } = will
      return willRecord(clientId, { delayS, owner }, message)
    }
    return wasWaiting ? removed(willKey(clientId)) : undefined
  }

  /** The client said goodbye. [MQTT-3.14.4-3] */
  discard(clientId: string): void {
    this.#options.later.put(removed(willKey(clientId)))
  }

  /** The client is lost. */
  lost(clientId: string, will: Will): void {
    if (will.delayS === 0) this.#publish(clientId, will)
    else this.#wait(clientId, will)
  }

  /** Its session ends, and with it the waiting. [MQTT-3.1.2-8] */
  sessionEnded(clientId: string): void {
    const due = this.#due.get(clientId)
    if (due !== undefined) this.#publish(clientId, due.will)
  }

  /** Publishes what is due. */
  sweep(): void {
    const now = this.#options.clock.monotonic()
    for (const [clientId, { will, atMs }] of this.#due) if (atMs <= now) this.#publish(clientId, will)
  }

  #wait(clientId: string, will: Will): void {
    this.#due.set(clientId, { will, atMs: this.#options.clock.monotonic() + will.delayS * 1_000 })
  }

  #publish(clientId: string, will: Will): void {
    this.#due.delete(clientId)
    this.#options.publish(clientId, will)
  }
}
