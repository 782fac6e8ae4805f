/**
 * Tests of rules: what a rule would have done with the readings that are stored. It is the rules' own code that runs, on
 * a clock that goes where the readings lead it, a log in memory, and effects that are only noted down.
 *
 * - T1 Nothing is performed, and nothing is stored.
 * - T2 A test ends: its time, readings and noted firings have limits, and its answer says where one cut it off.
 * - T3 It holds up nobody: it lets others go first after each page and each {@link turnRows} readings, one test at a time.
 */
import type {
  Action,
  Clock,
  DocumentMistake,
  Effect,
  Effects,
  Logger,
  Metrics,
  Query,
  StoredDocument,
} from "@brume/core"
import { FogError, ReadingBatch } from "@brume/core"
import { compileRule } from "../compile-rule.ts"
import type { CompiledRule } from "../compiled-rule.ts"
import type { Firing } from "../evaluation.ts"
import type { RuleSpec } from "../rule-spec.ts"
import { openRules, type Rules } from "../rules.ts"
import type { WindowStatus } from "../windows/windowed.ts"
import { StoredReadings } from "./stored-readings.ts"
import { TrialClock } from "./trial-clock.ts"
import { TrialStore } from "./trial-store.ts"

export interface RuleTrialRequest {
  readonly name: string
  /** It fits the schema of rules. */
  readonly spec: unknown
  /** µs since 1970 UTC; firings from there on, and before that. */
  readonly fromUs: number
  readonly toUs: number
  /**
   * When a reading comes: at the time that its device gave it, or when the node received it. By `time` no reading is late.
   */
  readonly by: "time" | "received"
  /** Most firings that are noted; further ones are only counted. */
  readonly limit: number
}

export interface TrialFiring {
  /** When, by the clock of the test. µs since 1970 UTC. */
  readonly time: number
  readonly change: "fired" | "cleared"
  readonly device?: string
  readonly property?: string
  /** What the reading said, or what the window did: columns by their names. */
  readonly values: Readonly<Record<string, unknown>>
  readonly actions: readonly Action[]
}

export interface RuleTrial {
  readonly fromUs: number
  readonly toUs: number
  /** Readings that the rule met. */
  readonly readings: number
  readonly fired: number
  readonly cleared: number
  readonly firings: readonly TrialFiring[]
  /** How often it fired in each of {@link stripLength} equal parts of the time. */
  readonly strip: readonly number[]
  /** Up to where it came; `toUs` where nothing cut it off. */
  readonly reachedUs: number
  /** What limits what the answer says, in sentences. */
  readonly notes: readonly string[]
}

export interface RuleTrialsOptions {
  readonly node: string
  /** Trusted SQL over the view `readings`. */
  readonly query: Pick<Query, "rows">
  /** How long a test takes. */
  readonly clock: Clock
  readonly limits?: Partial<RuleTrialLimits>
}

export interface RuleTrialLimits {
  readonly readings: number
  readonly durationMs: number
  readonly waiting: number
}

export interface RuleTrials {
  /** Throws `document_invalid`, `query_busy` and what the query throws. */
  run(request: RuleTrialRequest): Promise<RuleTrial>
}

export const stripLength = 60
const defaultLimits: RuleTrialLimits = { readings: 1_000_000, durationMs: 20_000, waiting: 8 }
/** Readings, or timers, after which others go first. */
const turnRows = 200

export function createRuleTrials(options: RuleTrialsOptions): RuleTrials {
  const limits = { ...defaultLimits, ...options.limits }
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return {
    run(request) {
      if (waiting > limits.waiting)
        throw new FogError("query_busy", {
          message: `${waiting} tests of rules run or wait, which is the limit`,
          hint: "Send it again later.",
        })
      waiting++
      const done = last.then(() => new Run(options, limits, request).run()).finally(() => waiting--)
      last = done.catch(() => {})
      return done
    },
  }
}

class Run {
  readonly #options: RuleTrialsOptions
  readonly #limits: RuleTrialLimits
  readonly #request: RuleTrialRequest
  readonly #clock: TrialClock
  readonly #store: TrialStore
  readonly #firings: TrialFiring[] = []
  readonly #strip = new Array<number>(stripLength).fill(0)
  readonly #notes = new Set<string>()
  #actions: Action[] = []
  #fired = 0
  #cleared = 0
  #readings = 0
  #sinceTurn = 0

  constructor(options: RuleTrialsOptions, limits: RuleTrialLimits, request: RuleTrialRequest) {
    this.#options = options
    this.#limits = limits
    this.#request = request
    this.#store = new TrialStore(options.node)
    this.#clock = new TrialClock(0)
  }

  async run(): Promise<RuleTrial> {
    const { name, spec, fromUs, toUs } = this.#request
    const { rule, mistakes } = compileRule(name, spec as RuleSpec)
    if (rule === undefined) throw invalid(name, mistakes)
    const beginUs = fromUs - leadOf(rule)
    this.#clock.step(beginUs)
    const rules = this.#open()
    const deadlineMs = this.#options.clock.monotonic() + this.#limits.durationMs
    let reachedUs: number
    try {
      await rules.begin()
      reachedUs = await this.#feed(rules, rule, { beginUs, deadlineMs })
    } finally {
      await rules.close()
    }
    this.#noteWindows(rules.status(name)?.window)
    return {
      ...{ fromUs, toUs, readings: this.#readings, fired: this.#fired, cleared: this.#cleared },
      ...{ firings: this.#firings, strip: this.#strip, reachedUs, notes: [...this.#notes] },
    }
  }

  #open(): Rules {
    const { name, spec } = this.#request
    const at = this.#clock.now()
    const document: StoredDocument = {
      ...{ apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name } },
      // A test is of what the rule would do, were it enabled.
      spec: { ...(spec as RuleSpec), enabled: true },
      status: { generation: 1, created: at, changed: at },
    }
    return openRules({
      store: this.#store,
      documents: { list: () => [document], onChange: () => () => {} },
      effects: this.#effects(),
      query: { rows: async () => [] },
      clock: this.#clock,
      logger: this.#logger(),
      metrics: noMetrics,
      onFire: (firing, nowUs) => this.#note(firing, nowUs),
    })
  }

  /** @returns up to where it came */
  async #feed(
    rules: Rules,
    rule: CompiledRule,
    { beginUs, deadlineMs }: { readonly beginUs: number; readonly deadlineMs: number },
  ): Promise<number> {
    const { toUs, by } = this.#request
    const { query, clock } = this.#options
    if (rule.kind === "topic") {
      this.#notes.add("Messages are not stored, only readings are: a rule on a topic meets nothing here.")
      return toUs
    }
    const isLate = (): boolean => clock.monotonic() >= deadlineMs
    if (rule.kind !== "time") {
      const stored = new StoredReadings({ query, filter: rule.filter, by, fromUs: beginUs, toUs })
      for (let rows = await stored.next(); rows.length > 0; rows = await stored.next())
        for (let at = 0; at < rows.length; ) {
          if (this.#readings >= this.#limits.readings) return this.#cutOff(`${this.#limits.readings} readings`)
          const atUs = rows[at]![by] as number
          if (!this.#isThere(atUs) && !(await this.#moveTo(atUs, isLate))) return this.#cutOff("its time")
          const batch = new ReadingBatch(4)
          // What came at the same time came together.
          for (; at < rows.length && rows[at]![by] === atUs && batch.length < turnRows; at++)
            stored.add(batch, rows[at]!)
          const evaluation = rules.evaluate(batch, this.#store.nextSeq)
          this.#store.append(batch, this.#clock.now(), evaluation?.records ?? [])
          evaluation?.durable()
          this.#readings += batch.length
          this.#sinceTurn += batch.length
        }
      if (this.#readings === 0) this.#notes.add("No stored reading of this time is one that the rule listens to.")
    }
    return (await this.#moveTo(toUs - 1, isLate)) ? toUs : this.#cutOff("its time")
  }

  /** What windows left out. */
  #noteWindows(status: WindowStatus | undefined): void {
    if (status === undefined) return
    const { late, overflowed, approximate } = status
    if (late > 0) this.#notes.add(`${late} readings came too late for windows that hold their times.`)
    if (overflowed > 0) this.#notes.add(`${overflowed} readings found no room in the windows.`)
    if (approximate > 0) this.#notes.add(`The quantiles of ${approximate} windows are approximate.`)
  }

  #cutOff(limit: string): number {
    this.#notes.add(`The test ended early, at the limit of ${limit}.`)
    return this.#clock.now()
  }

  /** Moves on at once where no timer is due on the way, and nobody else has to have a turn. */
  #isThere(atUs: number): boolean {
    if (this.#sinceTurn >= turnRows || this.#clock.nextDueUs <= atUs) return false
    this.#clock.step(atUs)
    return true
  }

  /** False where the test takes too long. */
  async #moveTo(atUs: number, isLate: () => boolean): Promise<boolean> {
    while (this.#clock.step(atUs)) {
      // What a timer began goes on in promises, before anything else happens.
      await turn()
      this.#sinceTurn = 0
      if (isLate()) return false
    }
    this.#sinceTurn = 0
    await turn()
    return !isLate()
  }

  #note({ scope, cause }: Firing, nowUs: number): void {
    const { fromUs, toUs, limit } = this.#request
    this.#actions = []
    if (nowUs < fromUs) return
    const change = cause.at(-1) === "clear" ? "cleared" : "fired"
    if (change === "fired") {
      this.#fired++
      const part = Math.floor(((nowUs - fromUs) / (toUs - fromUs)) * stripLength)
      this.#strip[Math.min(part, stripLength - 1)]!++
    } else this.#cleared++
    if (this.#firings.length < limit)
      this.#firings.push({ time: nowUs, change, ...whatOf(scope as Told), actions: this.#actions })
    else this.#notes.add(`The first ${limit} firings and clearings are listed; all are counted.`)
  }

  /** T1 */
  #effects(): Pick<Effects, "keyOf" | "plan"> {
    return {
      keyOf: (parts) => JSON.stringify(parts),
      plan: ({ action }: Effect) => {
        this.#actions.push(action)
        return { records: [], durable: () => {}, refused: () => {} }
      },
    }
  }

  #logger(): Logger {
    const note = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const { why } = fields
      this.#notes.add(`${message}${typeof why === "string" ? `: ${why}` : ""}.`)
    }
    const logger: Logger = { debug: () => {}, info: () => {}, warn: note, error: note, child: () => logger }
    return logger
  }
}

/** What is read of a scope, whatever it is one of. */
interface Told {
  readonly device?: string
  readonly property?: string
  readonly value?: number
  readonly text?: string
  readonly json?: unknown
  readonly window_start?: Date
}

/** Members that scopes have for themselves. */
const ownMembers: ReadonlySet<string> = new Set(["timeUs", "previousSeen", "remembered", "isSameAs"])

function whatOf(scope: Told): Pick<TrialFiring, "device" | "property" | "values"> {
  const { device, property, value, text, json } = scope
  const names = {
    ...(device === undefined || device === "" ? {} : { device }),
    ...(property === undefined || property === "" ? {} : { property }),
  }
  if (scope.window_start === undefined)
    return {
      ...names,
      values: {
        ...(value === undefined ? {} : { value }),
        ...(text === undefined ? {} : { text }),
        ...(json === undefined ? {} : { json }),
      },
    }
  const columns = Object.entries(scope).filter(
    ([name, of]) => of !== undefined && name !== "device" && name !== "property" && !ownMembers.has(name),
  )
  const values = columns.map(([name, of]) => [name, of instanceof Date ? of.toISOString() : of])
  return { ...names, values: Object.fromEntries(values) }
}

/** How long before its time a test begins, so that what the rule waits for then is there. µs */
function leadOf(rule: CompiledRule): number {
  if (rule.kind === "time") return 0
  const waits = Math.max(rule.forUs, rule.silenceUs, rule.cooldownUs)
  return rule.kind === "window" ? waits + rule.plan.sizeUs + rule.plan.latenessUs : waits
}

function invalid(name: string, mistakes: readonly DocumentMistake[]): FogError {
  return new FogError("document_invalid", {
    message: `Rule ${name} has mistakes: ${mistakes.map(({ path, problem }) => `${path} ${problem}`).join("; ")}`,
    hint: "Correct them, and test it again.",
    details: { mistakes },
  })
}

const noMetrics: Metrics = {
  counter: () => ({ add: () => {} }),
  gauge: () => {},
  gauges: () => {},
  histogram: () => ({ observe: () => {} }),
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
