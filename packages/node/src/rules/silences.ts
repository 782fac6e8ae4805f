/**
 * Rules on silence: which series and topics they watch before anything was heard of them since the node began.
 *
 * - L1 Silence is a device's, not the node's: the time for which the node was down does not count. It was down since it
 *   last received anything, or last said that it is awake, at {@link awakeEveryMs} at the latest before its end.
 * - L2 What the log holds says when a series was heard; where that does not suffice (L1, a topic, or nothing was ever heard of a
 *   device that the rule names), a record of the rule's memory does. Of a topic it is no older than a quarter of the silence.
 */
import { type Clock, type Logger, type Query, Series, type Store, type Timer } from "@brume/core"
import type { EpisodicRule } from "./compiled-rule.ts"
import { type Episodes, unsaidShare } from "./episodes.ts"
import { takesSeries } from "./rule-index.ts"
import type { Subject } from "./subject.ts"
import { parseSubjectKey } from "./subject.ts"
import type { Subjects } from "./subjects.ts"

export interface SilencesOptions {
  readonly store: Pick<Store, "get" | "put" | "entries">
  readonly query: Pick<Query, "rows">
  readonly clock: Clock
  readonly logger: Logger
  readonly subjects: Subjects
  readonly episodes: Episodes
}

const awakeKey = "rules-awake"
const awakeEveryMs = 15_000

interface Heard {
  readonly series: Series
  readonly receivedUs: number
}

export class Silences {
  readonly #options: SilencesOptions
  #timer: Timer | undefined
  #isClosed = false

  constructor(options: SilencesOptions) {
    this.#options = options
  }

  async begin(rules: readonly EpisodicRule[]): Promise<void> {
    if (rules.length === 0) return
    const heard = await this.#heard()
    if (this.#isClosed) return
    const nowUs = this.#options.clock.now()
    const awakeUs = heard.reduce((last, { receivedUs }) => Math.max(last, receivedUs), this.#lastAwake())
    const downUs = awakeUs === 0 ? 0 : Math.max(0, nowUs - awakeUs)
    for (const rule of rules) this.#watch(rule, heard, { downUs, fromUs: nowUs, nowUs })
    this.#stayAwake()
  }

  /** @param changedUs when the rule was written: from then on a device that it names is missed */
  async watch(rule: EpisodicRule, changedUs: number): Promise<void> {
    const heard = await this.#heard()
    if (this.#isClosed) return
    this.#watch(rule, heard, { downUs: 0, fromUs: changedUs, nowUs: this.#options.clock.now() })
    this.#stayAwake()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #watch(
    rule: EpisodicRule,
    heard: readonly Heard[],
    { downUs, fromUs, nowUs }: { readonly downUs: number; readonly fromUs: number; readonly nowUs: number },
  ): void {
    const { subjects, episodes } = this.#options
    const found = new Map<Subject, number>()
    const find = (subject: Subject | undefined, heardUs: number): void => {
      if (subject !== undefined) found.set(subject, Math.max(heardUs, subject.heardUs, found.get(subject) ?? 0))
    }
    if (rule.kind === "reading")
      for (const { series, receivedUs } of heard)
        if (takesSeries(rule.filter, series)) find(subjects.of(rule, series), receivedUs)
    for (const key of this.#ownKeys(rule)) {
      const subject = subjects.resumed(rule, key)
      const isTopic = typeof subject?.of === "string" && subject.heardUs > 0
      // Since the log was told of it, a topic may have been heard again: it is rather missed late than early.
      find(subject, isTopic ? subject.heardUs + rule.silenceUs * unsaidShare : 0)
    }
    const named = namedOf(rule)
    const isMissed = named !== undefined && found.size === 0
    if (isMissed) find(subjects.of(rule, named), fromUs)
    const touched: Subject[] = []
    for (const [subject, heardUs] of found) {
      const from = Math.min(heardUs + downUs, nowUs)
      if (downUs > 0 || isMissed) {
        subject.hearFrom(from)
        touched.push(subject)
      } else if (from > subject.heardUs) subject.hear(from)
      episodes.await(rule, subject)
    }
    this.#put(touched)
  }

  #ownKeys({ name }: EpisodicRule): NonNullable<ReturnType<typeof parseSubjectKey>>[] {
    return [...this.#options.store.entries("state")]
      .map(([key]) => parseSubjectKey(key))
      .filter((parsed) => parsed?.rule === name)
      .map((parsed) => parsed!)
  }

  async #heard(): Promise<Heard[]> {
    const { query, logger } = this.#options
    try {
      const rows = await query.rows("SELECT device, property, tags, received FROM latest")
      return rows.map((row) => ({
        series: new Series(row.device as string, row.property as string, row.tags as string),
        receivedUs: Number(row.received),
      }))
    } catch (error) {
      logger.error("Silent series cannot be found: rules on silence begin with the next reading", { error })
      return []
    }
  }

  #lastAwake(): number {
    const bytes = this.#options.store.get("state", awakeKey)
    const us = bytes === undefined ? 0 : Number(Buffer.from(bytes).toString("utf8"))
    return Number.isFinite(us) ? us : 0
  }

  /** L1 */
  #stayAwake(): void {
    if (this.#timer !== undefined || this.#isClosed) return
    const { clock, store } = this.#options
    const say = (): void => {
      this.#timer = clock.after(awakeEveryMs, say)
      try {
        const value = Buffer.from(String(clock.now()))
        store.put([{ kind: "state", key: awakeKey, value }]).durable.catch(() => {})
      } catch {
        // A store that takes nothing now takes the next one.
      }
    }
    say()
  }

  #put(subjects: readonly Subject[]): void {
    const records = subjects.map((subject) => subject.record()).filter((record) => record !== undefined)
    if (records.length === 0) return
    try {
      this.#options.store.put(records).durable.catch(() => {})
    } catch (error) {
      this.#options.logger.warn("Since when series are silent cannot be stored now", { error })
    }
  }
}

/** What a rule misses although nothing was ever heard of it: what it names without a wildcard. */
function namedOf(rule: EpisodicRule): Series | string | undefined {
  if (rule.kind === "window") return undefined
  if (rule.kind === "topic") return /[+#]/.test(rule.filter) ? undefined : rule.filter
  const { device, property } = rule.filter
  return /[+#]/.test(device + property) ? undefined : new Series(device, property)
}
