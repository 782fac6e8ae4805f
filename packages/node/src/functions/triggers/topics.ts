/**
 * Messages for functions.
 *
 * - D1 A message of QoS 1 or 2 is in the log as a delivery, in the commit that its own acknowledgement waits for: who was
 *   told that it arrived can rely on the function being called, at least once.
 * - D2 Others are delivered once at most: nobody was promised anything.
 * - D3 Topics below `brume/` are for those alone who name it, so that dead letters do not come back as events.
 */
import { type FogError, type KeyedRecord, matchesFilter, type TopicTrigger } from "@brume/core"
import type { TopicMessage } from "./events.ts"

export interface TakenMessage {
  readonly records: readonly KeyedRecord[]
  end(error: FogError | undefined): void
}

/** As the MQTT front asks for it. */
export interface TopicSubscriber {
  readonly version: number
  on(topic: string): ((message: TopicMessage) => TakenMessage | undefined) | undefined
}

/** Somebody who takes a message. */
export type TopicTaker = (message: TopicMessage, trigger: TopicTrigger) => TakenMessage | undefined

const ownPrefix = "brume/"

export class TopicTriggers implements TopicSubscriber {
  readonly #takers = new Map<string, { readonly triggers: readonly TopicTrigger[]; readonly take: TopicTaker }>()
  #version = 0

  get version(): number {
    return this.#version
  }

  /** Replaces what a function wants. */
  set(name: string, triggers: readonly TopicTrigger[], take: TopicTaker): void {
    if (triggers.length > 0) this.#takers.set(name, { triggers, take })
    else if (!this.#takers.delete(name)) return
    this.#version++
  }

  on(topic: string): ((message: TopicMessage) => TakenMessage | undefined) | undefined {
    const isOwn = topic.startsWith(ownPrefix)
    // A function gets a message once, however many of its triggers want it.
    const takers = [...this.#takers.values()].flatMap(({ triggers, take }) => {
      const trigger = triggers.find(
        (one) => matchesFilter(one.topic, topic) && (!isOwn || one.topic.startsWith(ownPrefix)),
      )
      return trigger === undefined ? [] : [(message: TopicMessage) => take(message, trigger)]
    })
    if (takers.length < 2) return takers[0]
    return (message) => joined(takers.map((take) => take(message)).filter((taken) => taken !== undefined))
  }
}

function joined(taken: readonly TakenMessage[]): TakenMessage {
  return {
    records: taken.flatMap(({ records }) => records),
    end: (error) => {
      for (const one of taken) one.end(error)
    },
  }
}
