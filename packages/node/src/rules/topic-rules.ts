/** Rules on messages, whatever they mean as readings. They meet a message in its own turn, and are in its commit. */
import { matchesFilter } from "@brume/core"
import type { EpisodicRule, TopicRule } from "./compiled-rule.ts"
import type { Episodes } from "./episodes.ts"
import type { Gathering } from "./evaluation.ts"
import { Listening } from "./listening.ts"
import { TopicScope, textOfPayload } from "./scope.ts"
import type { Subjects } from "./subjects.ts"

export interface TopicRulesOptions {
  /** Names for keys of effects. */
  readonly origin: { readonly node: string; readonly epoch: string }
  readonly episodes: Episodes
  readonly subjects: Subjects
}

export class TopicRules {
  /** Grows with each change: what was found before may be wrong then. */
  version = 0
  readonly #options: TopicRulesOptions
  readonly #rules = new Map<string, TopicRule>()
  /** Those whose filter is a topic, by it. */
  readonly #exact = new Map<string, Set<TopicRule>>()
  readonly #wild = new Set<TopicRule>()
  /** Several messages of one turn have the same next sequence. */
  #messages = 0

  constructor(options: TopicRulesOptions) {
    this.#options = options
  }

  set(rule: TopicRule): void {
    this.delete(rule.name)
    this.version++
    this.#rules.set(rule.name, rule)
    if (/[+#]/.test(rule.filter)) this.#wild.add(rule)
    else this.#exact.set(rule.filter, (this.#exact.get(rule.filter) ?? new Set()).add(rule))
  }

  delete(name: string): void {
    const rule = this.#rules.get(name)
    if (rule === undefined) return
    this.version++
    this.#rules.delete(name)
    this.#wild.delete(rule)
    const exact = this.#exact.get(rule.filter)
    exact?.delete(rule)
    if (exact?.size === 0) this.#exact.delete(rule.filter)
  }

  /** In the order of their names; undefined where no rule listens to the topic. */
  matching(topic: string): readonly Listening[] | undefined {
    const wild = [...this.#wild].filter(({ filter }) => matchesFilter(filter, topic))
    const found = [...(this.#exact.get(topic) ?? []), ...wild]
    if (found.length === 0) return undefined
    found.sort((a, b) => (a.name < b.name ? -1 : 1))
    return found.map((rule) => new Listening(rule, topic, this.#options.subjects))
  }

  /** @param nextSeq what the log gives next: no commit that is durable had the same, and the number of this message */
  take(listeners: readonly Listening[], message: Arrived, nextSeq: number, gathering: Gathering): void {
    const { origin, episodes } = this.#options
    const number = ++this.#messages
    const scene = new TopicScope(message.topic, textOfPayload(message.payload), gathering.nowUs)
    const cause = ({ name }: EpisodicRule) => ["rule", name, origin.node, origin.epoch, nextSeq, "message", number]
    for (const listening of listeners) episodes.meet(listening, { scene, cause, gathering, isLate: false })
  }
}

export interface Arrived {
  readonly topic: string
  readonly payload: Uint8Array
}
