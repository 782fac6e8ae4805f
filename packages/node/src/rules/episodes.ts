/**
 * What rules on readings and on messages make of what they meet: fire each time, or once while a condition holds.
 *
 * - P1 Time that counts (`for`, `silence`, `cooldown`) is the node's own, and goes on evenly when its wall clock is set. What was
 *   pending when the node ended is due at the moment at which it was due before; where that passed meanwhile, at once.
 * - P2 What a series says out of order is no news: older than the newest that rules met, it neither begins nor ends anything
 *   that is remembered. A device's clock that was set back is recognised (newest.ts).
 * - P3 What is remembered changes the log only when it changes: a condition that goes on to hold costs no record.
 */
import type { EpisodicRule } from "./compiled-rule.ts"
import type { Cause, Gathering } from "./evaluation.ts"
import type { Listening } from "./listening.ts"
import { ReadingScope, type Scene, TopicScope } from "./scope.ts"
import type { Subject } from "./subject.ts"

/** What is due at a time, and who is asked then. */
export type Due = (gathering: Gathering) => void

export interface EpisodesOptions {
  /** Names for keys of effects. */
  readonly origin: { readonly node: string; readonly epoch: string }
  /** @param due µs since 1970 UTC */
  readonly wait: (due: number, call: Due) => void
  /** Whether a rule is still the one that it was. */
  readonly isCurrent: (rule: EpisodicRule) => boolean
}

/** When what is due and was refused is tried again. µs */
const retryUs = 1_000_000
/** Of a rule's silence: for so long the log need not know that a topic was heard again. */
export const unsaidShare = 0.25

export interface Occasion {
  readonly scene: Scene
  readonly gathering: Gathering
  /** Whether what happened is older than what was met before (P2). */
  readonly isLate: boolean
  /** What keys of effects are made of, but the index of the action. */
  cause(rule: EpisodicRule): Cause
}

export class Episodes {
  readonly #options: EpisodesOptions

  constructor(options: EpisodesOptions) {
    this.#options = options
  }

  /** The rule meets what it listens to. */
  meet(listening: Listening, occasion: Occasion): void {
    const { rule } = listening
    if (!listening.isStateful) {
      if (holdsNow(rule, occasion)) this.#act(rule, occasion)
      return
    }
    // What would be idle before and after needs no memory; a silence counts also what is late.
    const isIdle = listening.subject === undefined && !rule.keepsPrevious && rule.silenceUs === 0
    if (isIdle && (occasion.isLate || !holdsNow(rule, occasion))) return
    const subject = listening.remember()
    if (subject === undefined) return
    if (rule.silenceUs > 0) this.#hear(rule, subject, occasion)
    else if (!occasion.isLate) this.#meet(rule, subject, occasion)
  }

  #meet(rule: EpisodicRule, subject: Subject, occasion: Occasion): void {
    const { scene, gathering } = occasion
    if (rule.keepsPrevious) {
      const previous = subject.seen
      scene.previousSeen = previous
      if (rule.onChange && previous !== undefined && scene.isSameAs(previous)) return
      subject.seen = scene.remembered()
      gathering.touch(subject)
    }
    const holds = rule.when === undefined ? true : rule.when.holds(scene)
    if (!rule.isEpisodic) {
      if (holds === true && gathering.nowUs >= subject.quietUntil) this.#fire(rule, subject, occasion)
    } else if (subject.phase === "active") this.#maybeClear(rule, subject, holds, occasion)
    else if (holds === true) this.#begin(rule, subject, occasion)
    else if (subject.phase === "pending" && holds === false) {
      subject.rest(rule.keepsPrevious)
      gathering.touch(subject)
    }
  }

  /** Something may be due. */
  due(rule: EpisodicRule, subject: Subject, gathering: Gathering): void {
    const due = this.#dueOf(rule, subject)
    if (due === undefined) return
    if (due > gathering.nowUs) {
      this.await(rule, subject)
      return
    }
    const kind = rule.silenceUs > 0 ? "silence" : "for"
    const { node, epoch } = this.#options.origin
    const cause = () => ["rule", rule.name, node, epoch, subject.key, kind, due]
    this.#activate(rule, subject, { scene: recalled(subject), cause, gathering, isLate: false })
  }

  /** The wall clock has jumped: what began keeps its age. */
  move(rule: EpisodicRule, subjects: Iterable<Subject>, byUs: number): void {
    for (const subject of subjects) {
      subject.move(byUs)
      if (subject.phase === "pending" || rule.silenceUs > 0) this.await(rule, subject)
    }
  }

  /** Waits for what is due, where something is. */
  await(rule: EpisodicRule, subject: Subject): void {
    const due = this.#dueOf(rule, subject)
    // What is waited for already asks again when its time has come.
    if (due === undefined || (subject.awaited !== 0 && subject.awaited <= due)) return
    this.#wait(rule, subject, due)
  }

  #wait(rule: EpisodicRule, subject: Subject, due: number): void {
    subject.awaited = due
    this.#options.wait(due, (gathering) => {
      if (!this.#options.isCurrent(rule) || subject.awaited !== due) return
      subject.awaited = 0
      gathering.ifRefused(() => this.#wait(rule, subject, gathering.nowUs + retryUs))
      this.due(rule, subject, gathering)
    })
  }

  #dueOf(rule: EpisodicRule, subject: Subject): number | undefined {
    if (rule.silenceUs > 0)
      return subject.phase === "active" ? undefined : Math.max(subject.heardUs + rule.silenceUs, subject.quietUntil)
    return subject.phase === "pending" ? Math.max(subject.since + rule.forUs, subject.quietUntil) : undefined
  }

  #hear(rule: EpisodicRule, subject: Subject, occasion: Occasion): void {
    const { gathering } = occasion
    if (typeof subject.of !== "string") subject.hear(gathering.nowUs)
    else if (subject.isKnownAsHeard(gathering.nowUs, rule.silenceUs * unsaidShare)) subject.heardUs = gathering.nowUs
    else {
      // No reading in the log says when a message came.
      subject.hearFrom(gathering.nowUs)
      gathering.touch(subject)
    }
    if (subject.phase === "active") this.#clear(rule, subject, occasion)
    this.await(rule, subject)
  }

  #clear(rule: EpisodicRule, subject: Subject, occasion: Occasion): void {
    const { scene, gathering } = occasion
    subject.rest(rule.keepsPrevious)
    gathering.touch(subject)
    const cause = [...occasion.cause(rule), "clear"]
    gathering.fire({ rule: rule.name, actions: rule.clearActions, scope: scene, cause })
  }

  #maybeClear(rule: EpisodicRule, subject: Subject, holds: boolean | undefined, occasion: Occasion): void {
    const isOver = rule.clearWhen === undefined ? holds === false : rule.clearWhen.holds(occasion.scene) === true
    if (isOver) this.#clear(rule, subject, occasion)
  }

  /** The condition holds, and has not fired yet. */
  #begin(rule: EpisodicRule, subject: Subject, occasion: Occasion): void {
    const { scene, gathering } = occasion
    const { nowUs } = gathering
    if (subject.phase === "idle") {
      if (rule.forUs === 0) {
        if (nowUs >= subject.quietUntil) this.#activate(rule, subject, occasion)
        return
      }
      subject.phase = "pending"
      subject.since = nowUs
      subject.seen = scene.remembered()
      gathering.touch(subject)
      this.await(rule, subject)
      return
    }
    // P3: the log keeps what began it, memory what is told when it is due.
    subject.seen = scene.remembered()
    if (nowUs >= this.#dueOf(rule, subject)!) this.#activate(rule, subject, occasion)
  }

  #activate(rule: EpisodicRule, subject: Subject, occasion: Occasion): void {
    subject.phase = "active"
    subject.since = occasion.gathering.nowUs
    if (!rule.keepsPrevious) subject.seen = undefined
    this.#fire(rule, subject, occasion)
    occasion.gathering.touch(subject)
  }

  #fire(rule: EpisodicRule, subject: Subject, occasion: Occasion): void {
    if (rule.cooldownUs > 0) {
      subject.quietUntil = occasion.gathering.nowUs + rule.cooldownUs
      occasion.gathering.touch(subject)
    }
    this.#act(rule, occasion)
  }

  #act(rule: EpisodicRule, occasion: Occasion): void {
    const { name, actions } = rule
    occasion.gathering.fire({ rule: name, actions, scope: occasion.scene, cause: occasion.cause(rule) })
  }
}

function holdsNow({ when }: EpisodicRule, { scene }: Occasion): boolean {
  return when === undefined || when.holds(scene) === true
}

function recalled({ of, seen, heardUs, since }: Subject): Scene {
  const time = seen?.time ?? (since || heardUs)
  if (typeof of === "string") return new TopicScope(of, seen?.text, time)
  const scope = new ReadingScope()
  scope.recall(of, seen ?? { time })
  return scope
}
