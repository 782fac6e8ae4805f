/** Rules over a store in memory, with documents and effects that keep core's contracts and remember what they were told. */
import { createHash } from "node:crypto"
import {
  type Action,
  batchOf,
  type DocumentChange,
  type Effect,
  type Effects,
  FogError,
  type QueryRow,
  type Reading,
  SeriesCache,
  type StoredDocument,
} from "@brume/core"
import { nullMetrics, SilentLogger, VirtualClock } from "@brume/testkit"
import { ruleKind } from "../../packages/node/src/rules/rule-kind.ts"
import type { RuleSpec } from "../../packages/node/src/rules/rule-spec.ts"
import { RuledStore } from "../../packages/node/src/rules/ruled-store.ts"
import { openRules, type Rules } from "../../packages/node/src/rules/rules.ts"
import { MemoryStore } from "./memory-store.ts"

/** Also refuses keyed records while it is full. */
class LimitedStore extends MemoryStore {
  override put(records: Parameters<MemoryStore["put"]>[0]): ReturnType<MemoryStore["put"]> {
    if (this.state === "full") throw new FogError("store_full", { message: "The disk is full" })
    return super.put(records)
  }
}

/** Effects that are done as soon as their commit is durable. */
export class RecordedEffects implements Pick<Effects, "keyOf" | "plan"> {
  readonly done: Effect[] = []
  refused = 0
  readonly #store: MemoryStore
  readonly #known = new Set<string>()

  constructor(store: MemoryStore) {
    this.#store = store
  }

  keyOf(parts: readonly (string | number)[]): string {
    return createHash("sha256").update(JSON.stringify(parts)).digest("hex")
  }

  plan(effect: Effect): ReturnType<Effects["plan"]> {
    const key = `effect/${effect.key}`
    if (this.#known.has(key) || this.#store.get("effect", key) !== undefined) return undefined
    this.#known.add(key)
    return {
      records: [{ kind: "effect", key, value: Buffer.from(JSON.stringify(effect.action)) }],
      durable: () => void this.done.push(effect),
      refused: () => {
        this.#known.delete(key)
        this.refused++
      },
    }
  }
}

export interface Ruled extends AsyncDisposable {
  readonly store: MemoryStore
  readonly ruled: RuledStore
  readonly rules: Rules
  readonly clock: VirtualClock
  readonly effects: RecordedEffects
  readonly logger: SilentLogger
  /** What was done so far, and not asked for yet. */
  taken(): Action[]
  /** Payloads of the messages among them. */
  said(): string[]
  apply(name: string, spec: object): void
  remove(name: string): void
  /** Readings in one batch, at the clock's time where they bring none. */
  read(...readings: Partial<Reading>[]): Promise<void>
  /** The node ends without a word, and begins again with what the log has. */
  restart(downMs?: number): Promise<void>
}

export interface RuledOptions {
  /** Rows of the view `latest`. */
  readonly latest?: () => readonly QueryRow[]
  readonly maxRemembered?: number
}

export async function openRuled(options: RuledOptions = {}): Promise<Ruled> {
  const store = new LimitedStore()
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const series = new SeriesCache()
  const documents = new Map<string, StoredDocument>()
  const listeners = new Set<(change: DocumentChange) => void>()
  const effects = new RecordedEffects(store)
  const open = (): Rules =>
    openRules({
      ...{ store, clock, logger, effects, metrics: nullMetrics },
      documents: {
        list: () => [...documents.values()],
        onChange: (_kind, listener) => {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
      },
      query: { rows: async () => [...(options.latest?.() ?? [])] },
      ...(options.maxRemembered === undefined ? {} : { maxRemembered: options.maxRemembered }),
    })
  let rules = open()
  let ruled = new RuledStore(store, rules)
  await rules.begin()
  let asked = 0
  const tell = (name: string, document: StoredDocument | undefined): void => {
    for (const listener of listeners) listener({ kind: "Rule", name, document })
  }
  const taken = (): Action[] => {
    const actions = effects.done.slice(asked).map(({ action }) => action)
    asked = effects.done.length
    return actions
  }
  return {
    ...{ store, clock, effects, logger, taken },
    get rules() {
      return rules
    },
    get ruled() {
      return ruled
    },
    said: () => taken().map((action) => (action.type === "publish" ? action.payload : action.type)),
    apply(name, spec) {
      const mistakes = ruleKind.check(spec, name)
      if (mistakes.length > 0) throw new Error(JSON.stringify(mistakes))
      const before = documents.get(name)?.status
      const changed = clock.now()
      const document: StoredDocument = {
        ...{ apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name }, spec: spec as RuleSpec },
        status: { generation: (before?.generation ?? 0) + 1, created: before?.created ?? changed, changed },
      }
      documents.set(name, document)
      tell(name, document)
    },
    remove(name) {
      documents.delete(name)
      tell(name, undefined)
    },
    async read(...readings) {
      await ruled.append(
        batchOf(
          readings.map((reading) => ({ time: clock.now(), ...reading })),
          series,
        ),
      ).durable
    },
    async restart(downMs = 0) {
      await rules.close()
      clock.advance(downMs)
      listeners.clear()
      rules = open()
      ruled = new RuledStore(store, rules)
      await rules.begin()
      await clock.run(0)
    },
    [Symbol.asyncDispose]: () => rules.close(),
  }
}

/** A rule that says one thing when it fires, and another when it clears. */
export const saying = (payload: string, cleared?: string): object => ({
  actions: [{ publish: { topic: "out", payload } }],
  ...(cleared === undefined ? {} : { clearActions: [{ publish: { topic: "out", payload: cleared } }] }),
})
