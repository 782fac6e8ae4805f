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
 * - U5 Memory is bounded: a rule remembers a series, from when its condition holds first, in some 800 bytes, all rules together
 *   {@link maxSubjects} of them; its conditions take some kB; waiting things are at most as many as there are remembered ones.
 *
 * The parts: rule-spec.ts (what a document says), compile-rule.ts, expression/ (CEL), action.ts; reading-rules.ts,
 * topic-rules.ts, window-rules.ts, time-rules.ts (what meets what); episodes.ts (how it goes on), subject.ts and memory.ts
 * (what is remembered), evaluation.ts (one commit's share), deadlines.ts, silences.ts; windows/ and trial/ have pages of their own.
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
import { type Chain, type Evaluation, type FireListener, Gathering } from "./evaluation.ts"
import { isEnabled, isSameSource, Memory } from "./memory.ts"
import { createMessageRules, type MessageRules } from "./messages.ts"
import { ReadingRules } from "./reading-rules.ts"
import type { RuleSpec } from "./rule-spec.ts"
import { type RuleStatus, statusOf } from "./rule-status.ts"
import { Silences } from "./silences.ts"
import { SteadyClock } from "./steady-clock.ts"
import { maxSubjects, Subjects } from "./subjects.ts"
import { Tallies } from "./tallies.ts"
import { TimeRules } from "./time-rules.ts"
import { TopicRules } from "./topic-rules.ts"
import { WindowRules } from "./window-rules.ts"
import type { WindowResult } from "./windows/window-result.ts"
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
  /** Hears each firing before its actions are planned; for tests of rules. */
  readonly onFire?: FireListener
}

export interface Rules extends Closeable {
  /** What a batch, whose first reading gets this sequence, owes to the rules; undefined where it is nothing. */
  evaluate(batch: ReadingBatch, firstSeq: number): Evaluation | undefined
  readonly messages: MessageRules
  /** Series and topics of which rules remember something. */
  readonly remembered: number
  /** undefined when there is no such rule. */
  status(name: string): RuleStatus | undefined
  /**
   * Begins to wait for time: to be called when effects can leave. Resolves when silent series are known and open windows
   * are as they were; nobody has to wait for that. Never rejects.
   */
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
  readonly #memory: Memory
  readonly #clock: SteadyClock
  readonly #deadlines: Deadlines<Due>
  readonly #rules = new Map<string, { readonly document: StoredDocument; readonly rule: CompiledRule | undefined }>()
  readonly #unsubscribe: () => void
  /** What is due before {@link begin}. */
  #early: { readonly due: number; readonly call: Due }[] | undefined = []
  readonly #chain: Chain = { length: 0 }
  #begun: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: RulesOptions) {
    const { store, clock, documents, metrics, logger, query, maxRemembered = maxSubjects } = options
    this.#options = options
    this.#tallies = new Tallies(options)
    this.#clock = new SteadyClock(clock, (byUs) => this.#jump(byUs))
    this.#deadlines = new Deadlines({ clock, now: () => this.#clock.look() }, (calls, nowUs) => this.#due(calls, nowUs))
    const wait = (due: number, call: Due): void => {
      if (this.#early === undefined) this.#deadlines.add(due, call)
      else this.#early.push({ due, call })
    }
    const origin = { node: store.node, epoch: store.epoch }
    const onFull = (rule: string): void => {
      this.#tallies.failed(rule, `rules remember ${maxRemembered} series and topics already`)
      logger.warn("Rules remember too much: a series or topic does not meet one of them", { rule, maxRemembered })
    }
    this.#subjects = new Subjects({ store, limit: maxRemembered, onFull })
    this.#episodes = new Episodes({ origin, wait, isCurrent: (rule) => this.#rules.get(rule.name)?.rule === rule })
    const shared = { origin, episodes: this.#episodes, subjects: this.#subjects }
    this.#readings = new ReadingRules(shared)
    this.#topics = new TopicRules(shared)
    this.#times = new TimeRules({ store, origin, wait })
    this.#windowRules = new WindowRules(shared)
    this.#windows = openWindows({ ...options, tell: (results, records) => this.#tell(results, records) })
    this.#silences = new Silences({ store, query, clock, logger, subjects: this.#subjects, episodes: this.#episodes })
    this.#memory = new Memory({ store, logger, subjects: this.#subjects, episodes: this.#episodes })
    this.messages = createMessageRules({ topics: this.#topics, store, logger, gathering: () => this.#gathering() })
    metrics.gauge("brume_rules_enabled", "Rules that are enabled.", () => this.#enabled().length)
    metrics.gauge("brume_rules_remembered", "Series and topics that rules remember.", () => this.remembered)
    metrics.gauge("brume_rules_waiting", "Things that rules wait for.", () => this.#deadlines.size)
    for (const document of documents.list("Rule")) this.#set(document)
    this.#memory.resume((name) => this.#rules.get(name)?.rule)
    this.#unsubscribe = documents.onChange("Rule", (change) => this.#change(change))
  }

  get remembered(): number {
    return this.#subjects.size
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
    const { rule, document } = known
    return statusOf({
      state: rule !== undefined ? "enabled" : isEnabled(document) ? "broken" : "disabled",
      rule,
      tally: this.#tallies.get(name),
      subjects: this.#subjects.ofRule(name),
      next: this.#times.nextOf(name),
      window: this.#windows.status(name),
    })
  }

  begin(): Promise<void> {
    const early = this.#early ?? []
    this.#early = undefined
    for (const { due, call } of early) this.#deadlines.add(due, call)
    this.#memory.tidy((name) => this.#rules.has(name))
    const silences = this.#silences.begin(this.#enabled().filter(isSilence))
    this.#begun = Promise.all([silences, this.#windows.begin()]).then(
      () => {},
      (error: unknown) => {
        this.#options.logger.error("Rules cannot go on with what was before the start", { error })
      },
    )
    return this.#begun
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    this.#silences.close()
    this.#deadlines.close()
    await this.#windows.close()
    await this.#begun
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #enabled(): CompiledRule[] {
    return [...this.#rules.values()].map(({ rule }) => rule).filter((rule) => rule !== undefined)
  }

  #gathering(nowUs = this.#clock.look()): Gathering {
    return new Gathering({ ...this.#options, tallies: this.#tallies, chain: this.#chain }, nowUs)
  }

  #change({ name, document }: DocumentChange): void {
    const before = this.#rules.get(name)?.document
    const goesOn = document !== undefined && before !== undefined && isSameSource(document, before)
    if (before !== undefined && !goesOn) this.#memory.forget(name)
    if (document === undefined) {
      this.#remove(name)
      this.#tallies.forget(name)
      return
    }
    this.#set(document)
    const rule = this.#rules.get(name)?.rule
    if (goesOn) this.#memory.change(document, before, rule)
    if (rule !== undefined && isSilence(rule) && this.#early === undefined)
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

  /** Time that counts goes on evenly; schedules follow the wall clock. */
  #jump(byUs: number): void {
    this.#options.logger.info("The clock has jumped; what rules wait for is moved with it", { seconds: byUs / 1e6 })
    for (const rule of this.#enabled())
      if (rule.kind !== "time") this.#episodes.move(rule, this.#subjects.ofRule(rule.name), byUs)
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

function isSilence(rule: CompiledRule): rule is EpisodicRule {
  return rule.kind !== "time" && rule.silenceUs > 0
}
