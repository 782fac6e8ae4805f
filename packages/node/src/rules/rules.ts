/**
 * Rules: when something holds, do something. What people write are Rule documents; this room compiles them, meets
 * readings, messages and time with them, and says what a commit owes to them.
 *
 * - U1 A reading, what it changes in a rule's memory, and the effects that it causes are one commit. Nothing leaves before it
 *   is durable, and after a crash nothing has to be evaluated again.
 * - U2 A commit that is refused leaves no trace: memory goes back to what the log says.
 * - U3 A reading costs what the rules of its own series cost: others do not slow it down.
 * - U4 A rule ends soon, whatever it says (X1 in expression/language.ts), and never fires without end (tallies.ts). What
 *   fails in it is counted and shown, and harms nothing else: readings are stored whatever rules do.
 * - U5 Memory is bounded: a rule remembers a series in some 500 bytes, all rules together {@link maxSubjects} of them, and
 *   its conditions take some kB; waiting things are at most as many as there are remembered ones.
 *
 * The parts: rule-spec.ts (what a document says), compile-rule.ts, expression/ (CEL), action.ts; reading-rules.ts,
 * topic-rules.ts, time-rules.ts (what meets what); episodes.ts (how it goes on), subject.ts (memory), evaluation.ts (one
 * commit's share), deadlines.ts, silences.ts.
 *
 * It is not the executor of anything: that is effects/.
 */
import type {
  Clock,
  Closeable,
  DocumentChange,
  Documents,
  Effects,
  KeyedRecord,
  Logger,
  Metrics,
  Query,
  ReadingBatch,
  Store,
  StoredDocument,
} from "@brume/core"
import { compileRule } from "./compile-rule.ts"
import type { CompiledRule, EpisodicRule } from "./compiled-rule.ts"
import { Deadlines } from "./deadlines.ts"
import { type Due, Episodes } from "./episodes.ts"
import { type Chain, type Evaluation, Gathering } from "./evaluation.ts"
import { ReadingRules } from "./reading-rules.ts"
import type { RuleSpec } from "./rule-spec.ts"
import { Silences } from "./silences.ts"
import { parseSubjectKey } from "./subject.ts"
import { maxSubjects, Subjects } from "./subjects.ts"
import { Tallies, type Tally } from "./tallies.ts"
import { TimeRules } from "./time-rules.ts"
import { TopicRules } from "./topic-rules.ts"
import { WindowRules } from "./window-rules.ts"
import type { WindowResult } from "./windows/window-result.ts"
import type { WindowStatus } from "./windows/windowed.ts"
import { openWindows, type Windows } from "./windows/windows.ts"

export interface RulesOptions {
  readonly store: Pick<Store, "node" | "epoch" | "nextSeq" | "durableSeq" | "get" | "put" | "entries" | "onDurable">
  readonly documents: Pick<Documents, "list" | "onChange">
  readonly effects: Pick<Effects, "keyOf" | "plan">
  /** Trusted SQL over the views `latest` and `readings`. */
  readonly query: Pick<Query, "rows">
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** Series and topics that rules remember, all together. @default 200000 */
  readonly maxRemembered?: number
}

/** How a rule stands. Times are µs since 1970 UTC. */
export interface RuleStatus extends Tally {
  readonly state: "enabled" | "disabled" | "broken"
  /** Series or topics for which its condition holds, but not yet for long enough. */
  readonly pending: number
  /** Series or topics for which it fired and has not cleared. */
  readonly active: number
  /** When a schedule fires next, or when the next series has been pending for long enough. */
  readonly next: number | undefined
  /** Times that a condition failed, and why last. */
  readonly conditionFailures: number
  readonly lastConditionFailure: string | undefined
  /** Of a rule with windows. */
  readonly window?: WindowStatus
}

/** What the rules make of a message. */
export interface TakenByRules {
  /** For the commit of the message's turn. */
  readonly records: readonly KeyedRecord[]
  /** @param error why the turn was refused; undefined when it is durable. */
  end(error: unknown): void
}

/** For whoever takes messages in. */
export interface MessageRules {
  /** Grows with each change: what {@link MessageRules.on} gave before may be wrong then. */
  readonly version: number
  /** Who takes the messages of a topic; undefined where no rule listens to it. */
  on(topic: string): ((message: { readonly payload: Uint8Array }) => TakenByRules | undefined) | undefined
}

export interface Rules extends Closeable {
  /** What a batch, whose first reading gets this sequence, owes to the rules; undefined where it is nothing. */
  evaluate(batch: ReadingBatch, firstSeq: number): Evaluation | undefined
  readonly messages: MessageRules
  /** undefined when there is no such rule. */
  status(name: string): RuleStatus | undefined
  /** Begins to wait for time: to be called when effects can leave. */
  begin(): Promise<void>
}

export function openRules(options: RulesOptions): Rules {
  return new OpenRules(options)
}

class OpenRules implements Rules {
  readonly messages: MessageRules
  readonly #options: RulesOptions
  readonly #tallies: Tallies
  readonly #subjects: Subjects
  readonly #episodes: Episodes
  readonly #readings: ReadingRules
  readonly #topics: TopicRules
  readonly #times: TimeRules
  readonly #windowRules: WindowRules
  readonly #windows: Windows
  readonly #silences: Silences
  readonly #deadlines: Deadlines<Due>
  readonly #rules = new Map<string, { readonly document: StoredDocument; readonly rule: CompiledRule | undefined }>()
  readonly #unsubscribe: () => void
  /** What is due before {@link begin}. */
  #early: { readonly due: number; readonly call: Due }[] | undefined = []
  readonly #chain: Chain = { length: 0 }
  #isClosed = false

  constructor(options: RulesOptions) {
    const { store, clock, documents, metrics, logger, query, maxRemembered = maxSubjects } = options
    this.#options = options
    this.#tallies = new Tallies(options)
    this.#deadlines = new Deadlines(clock, (calls, nowUs) => this.#due(calls, nowUs))
    const wait = (due: number, call: Due): void => {
      if (this.#early === undefined) this.#deadlines.add(due, call)
      else this.#early.push({ due, call })
    }
    const origin = { node: store.node, epoch: store.epoch }
    const onFull = (rule: string): void => {
      this.#tallies.failed(rule, `rules remember ${maxRemembered} series and topics already`)
      logger.warn("Rules remember too much: a series or topic does not meet one of them", { rule, maxRemembered })
    }
    this.#subjects = new Subjects({ store, metrics, limit: maxRemembered, onFull })
    this.#episodes = new Episodes({ origin, wait, isCurrent: (rule) => this.#rules.get(rule.name)?.rule === rule })
    const shared = { origin, episodes: this.#episodes, subjects: this.#subjects }
    this.#readings = new ReadingRules(shared)
    this.#topics = new TopicRules(shared)
    this.#times = new TimeRules({ store, origin, wait })
    this.#windowRules = new WindowRules(shared)
    this.#windows = openWindows({ ...options, tell: (results, records) => this.#tell(results, records) })
    this.#silences = new Silences({ store, query, clock, logger, subjects: this.#subjects, episodes: this.#episodes })
    this.messages = this.#messagesOf()
    metrics.gauge("brume_rules_enabled", "Rules that are enabled.", () => this.#enabled().length)
    metrics.gauge("brume_rules_waiting", "Things that rules wait for.", () => this.#deadlines.size)
    for (const document of documents.list("Rule")) this.#set(document)
    this.#resume([...store.entries("state")].map(([key]) => key))
    this.#unsubscribe = documents.onChange("Rule", (change) => this.#change(change))
  }

  evaluate(batch: ReadingBatch, firstSeq: number): Evaluation | undefined {
    let gathering: Gathering | undefined
    try {
      this.#readings.evaluate(batch, firstSeq, () => {
        gathering = this.#gathering()
        return gathering
      })
      return gathering?.end()
    } catch (error) {
      // U4
      this.#options.logger.error("Evaluating rules failed; the readings are stored without them", { error })
      gathering?.refused()
      return undefined
    }
  }

  status(name: string): RuleStatus | undefined {
    const known = this.#rules.get(name)
    if (known === undefined) return undefined
    const { rule } = known
    const window = this.#windows.status(name)
    let [pending, active, due] = [0, 0, Number.POSITIVE_INFINITY]
    for (const { phase, awaited } of this.#subjects.ofRule(name)) {
      if (phase === "pending") pending++
      else if (phase === "active") active++
      if (awaited !== 0) due = Math.min(due, awaited)
    }
    const conditions = [rule?.when, rule !== undefined && rule.kind !== "time" ? rule.clearWhen : undefined]
    return {
      ...this.#tallies.get(name),
      state: rule !== undefined ? "enabled" : isEnabled(known.document) ? "broken" : "disabled",
      pending,
      active,
      next: this.#times.nextOf(name) ?? (Number.isFinite(due) ? due : undefined),
      conditionFailures: conditions.reduce((sum, condition) => sum + (condition?.failures ?? 0), 0),
      lastConditionFailure: conditions.find((condition) => condition?.failure !== undefined)?.failure,
      ...(window === undefined ? {} : { window }),
    }
  }

  async begin(): Promise<void> {
    const early = this.#early ?? []
    this.#early = undefined
    for (const { due, call } of early) this.#deadlines.add(due, call)
    await this.#silences.begin(this.#enabled().filter(isSilence))
    await this.#windows.begin()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    this.#silences.close()
    this.#deadlines.close()
    await this.#windows.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #enabled(): CompiledRule[] {
    return [...this.#rules.values()].map(({ rule }) => rule).filter((rule) => rule !== undefined)
  }

  #gathering(nowUs = this.#options.clock.now()): Gathering {
    return new Gathering({ ...this.#options, tallies: this.#tallies, chain: this.#chain }, nowUs)
  }

  #messagesOf(): MessageRules {
    const topics = this.#topics
    const { store, logger } = this.#options
    return {
      get version() {
        return topics.version
      },
      on: (topic) => {
        const listeners = topics.matching(topic)
        if (listeners === undefined) return undefined
        return ({ payload }) => {
          const gathering = this.#gathering()
          try {
            topics.take(listeners, { topic, payload }, store.nextSeq, gathering)
            const evaluation = gathering.end()
            return evaluation && takenOf(evaluation)
          } catch (error) {
            logger.error("Evaluating rules failed; the message is taken without them", { error })
            gathering.refused()
            return undefined
          }
        }
      },
    }
  }

  #change({ name, document }: DocumentChange): void {
    const before = this.#rules.get(name)?.document
    if (document === undefined || before === undefined || !isSameSource(document, before)) this.#forget(name)
    if (document === undefined) {
      this.#remove(name)
      this.#tallies.forget(name)
      return
    }
    this.#set(document)
    const rule = this.#rules.get(name)?.rule
    if (rule === undefined || rule.kind === "time") return
    for (const subject of this.#subjects.ofRule(name)) {
      subject.awaited = 0
      if (rule.silenceUs === 0) this.#episodes.await(rule, subject)
    }
    if (rule.silenceUs > 0 && this.#early === undefined)
      this.#silences.watch(rule, document.status.changed).catch(() => {})
  }

  #set(document: StoredDocument): void {
    const { name } = document.metadata
    const { rule, mistakes } = isEnabled(document)
      ? compileRule(name, document.spec as RuleSpec)
      : { rule: undefined, mistakes: [] }
    this.#remove(name, rule?.kind === "window")
    if (mistakes.length > 0)
      // It was checked before it was stored; another version of Brume may have done that.
      this.#options.logger.error("A stored rule cannot be used; apply it again", { rule: name, mistakes })
    this.#rules.set(name, { document, rule })
    if (rule?.kind === "topic") this.#topics.set(rule)
    else if (rule?.kind === "reading") this.#readings.set(rule)
    else if (rule?.kind === "window") {
      this.#windowRules.set(rule)
      this.#windows.set(rule)
    } else if (rule?.kind === "time") this.#times.set(rule, document.status.changed, this.#options.clock.now())
  }

  /** @param keepsWindows the windows go on where the new rule has the same */
  #remove(name: string, keepsWindows = false): void {
    this.#rules.delete(name)
    this.#windowRules.delete(name)
    if (!keepsWindows) this.#windows.delete(name)
    this.#readings.delete(name)
    this.#topics.delete(name)
    this.#times.delete(name)
  }

  /** What a rule remembered, in memory and in the log. */
  #forget(name: string): void {
    this.#subjects.forget(name)
    const { store, logger } = this.#options
    const keys = [...store.entries("state")].map(([key]) => key).filter((key) => parseSubjectKey(key)?.rule === name)
    if (keys.length === 0) return
    try {
      store.put(keys.map((key) => ({ kind: "state", key, value: undefined }))).durable.catch(() => {})
    } catch (error) {
      logger.warn("What a rule remembered cannot be removed now", { rule: name, error })
    }
  }

  /** Goes on with what the log remembers. */
  #resume(keys: readonly string[]): void {
    for (const key of keys) {
      const parsed = parseSubjectKey(key)
      const rule = parsed === undefined ? undefined : this.#rules.get(parsed.rule)?.rule
      if (rule === undefined || rule.kind === "time" || rule.silenceUs > 0) continue
      const subject = this.#subjects.resumed(rule, parsed!)
      if (subject !== undefined) this.#episodes.await(rule, subject)
    }
  }

  #due(calls: readonly Due[], nowUs: number): void {
    if (this.#isClosed) return
    const gather = (gathering: Gathering): void => {
      for (const call of calls) call(gathering)
    }
    this.#commit([], gather, nowUs).catch((error: unknown) => {
      this.#options.logger.warn("What rules owe to time is not stored, and tried again", { error })
    })
  }

  /** What windows say, and the records that say that it was told. */
  #tell(results: readonly WindowResult[], records: readonly KeyedRecord[]): Promise<void> {
    return this.#commit(records, (gathering) => this.#windowRules.meet(results, gathering))
  }

  /** What is gathered, with these records, as one commit. Rejects where it is refused. */
  async #commit(
    records: readonly KeyedRecord[],
    gather: (gathering: Gathering) => void,
    nowUs?: number,
  ): Promise<void> {
    const gathering = this.#gathering(nowUs)
    try {
      gather(gathering)
      const evaluation = gathering.end()
      const all = [...records, ...(evaluation?.records ?? [])]
      if (all.length > 0) await this.#options.store.put(all).durable
    } catch (error) {
      gathering.refused()
      throw error
    }
    gathering.durable()
  }
}

function isEnabled(document: StoredDocument): boolean {
  return (document.spec as RuleSpec).enabled !== false
}

function isSilence(rule: CompiledRule): rule is EpisodicRule {
  return rule.kind !== "time" && rule.silenceUs > 0
}

/** Whether a rule still listens to the same, so that what it remembers still means the same. */
function isSameSource(a: StoredDocument, b: StoredDocument): boolean {
  const of = ({ spec }: StoredDocument): string => {
    const { on, silence, window } = spec as RuleSpec
    return JSON.stringify([on, silence !== undefined, window])
  }
  return of(a) === of(b)
}

function takenOf(evaluation: Evaluation): TakenByRules {
  const { records } = evaluation
  return { records, end: (error) => (error === undefined ? evaluation.durable() : evaluation.refused()) }
}
