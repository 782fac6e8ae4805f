/** Rules on messages, whatever they mean as readings. They meet a message in its own turn, and are in its commit. */
import { matchesFilter } from "@brume/core"
import { isStateful, type TopicRule } from "./compiled-rule.ts"
import type { Episodes } from "./episodes.ts"
import type { Gathering } from "./evaluation.ts"
import { TopicScope, textOfPayload } from "./scope.ts"
import type { Subject } from "./subject.ts"
import type { Subjects } from "./subjects.ts"

export interface TopicRulesOptions {
  /** Names for keys of effects. */
  readonly origin: { readonly node: string; readonly epoch: string }
  readonly episodes: Episodes
  readonly subjects: Subjects
}

export interface Listener {
  readonly rule: TopicRule
  /** undefined for a rule without memory. */
  readonly subject: Subject | undefined
}

export class TopicRules {
  /** Grows with each change: what was found before may be wrong then. */
  version = 0
  readonly #options: TopicRulesOptions
  readonly #rules = new Map<string, TopicRule>()
  /** Several messages of one turn have the same next sequence. */
  #messages = 0

  constructor(options: TopicRulesOptions) {
    this.#options = options
  }

  get(name: string): TopicRule | undefined {
    return this.#rules.get(name)
  }

  set(rule: TopicRule): void {
    this.version++
    this.#rules.set(rule.name, rule)
  }

  delete(name: string): void {
    if (this.#rules.delete(name)) this.version++
  }

  /** In the order of their names; undefined where no rule listens to the topic. */
  matching(topic: string): readonly Listener[] | undefined {
    const found: Listener[] = []
    for (const rule of this.#rules.values()) {
      if (!matchesFilter(rule.filter, topic)) continue
      const subject = isStateful(rule) ? this.#options.subjects.of(rule, topic) : undefined
      if (subject !== undefined || !isStateful(rule)) found.push({ rule, subject })
    }
    return found.length === 0 ? undefined : found.sort((a, b) => (a.rule.name < b.rule.name ? -1 : 1))
  }

  /** @param nextSeq what the log gives next: no commit that is durable had the same, and the number of this message */
  take(listeners: readonly Listener[], message: Arrived, nextSeq: number, gathering: Gathering): void {
    const { origin, episodes } = this.#options
    const number = ++this.#messages
    const scene = new TopicScope(message.topic, textOfPayload(message.payload), gathering.nowUs)
    for (const { rule, subject } of listeners) {
      const cause = ["rule", rule.name, origin.node, origin.epoch, nextSeq, "message", number]
      episodes.meet(rule, subject, { scene, cause, gathering })
    }
  }
}

export interface Arrived {
  readonly topic: string
  readonly payload: Uint8Array
}
