/** The room of effects over a store in memory, with a world that does what a test says and remembers what it was asked. */
import {
  type Action,
  type ActionType,
  type Effect,
  type EffectOutcome,
  type Executor,
  FogError,
  type Planned,
  type PlannedAction,
  type Store,
} from "@brume/core"
import { simulatedAmbient } from "@brume/testkit"
import { type EffectsOptions, openEffects } from "../../packages/node/src/effects/effects.ts"
import { MemoryStore } from "./memory-store.ts"

/** What became of each attempt, by key, in order. */
export class World {
  readonly done: string[] = []
  /** How planned actions end; `later` leaves it to {@link end}. */
  planned: EffectOutcome | "later" | FogError = { state: "done" }
  execute: Executor<Action> = async () => {}
  readonly #ends = new Map<string, (outcome: EffectOutcome | undefined) => void>()

  readonly executors = {
    publish: (effect: Effect) => this.#plan(effect),
    command: (effect: Effect) => this.#plan(effect),
    alarm: (effect: Effect) => this.#plan(effect),
    function: (effect: Effect, signal: AbortSignal) => this.#execute(effect, signal),
    webhook: (effect: Effect, signal: AbortSignal) => this.#execute(effect, signal),
  } as never

  end(key: string, outcome: EffectOutcome | undefined): void {
    this.#ends.get(key)!(outcome)
  }

  #plan({ key }: Effect): PlannedAction {
    const { planned } = this
    if (planned instanceof FogError) throw planned
    const ended =
      planned === "later"
        ? new Promise<EffectOutcome | undefined>((resolve) => void this.#ends.set(key, resolve))
        : planned
    return {
      records: [{ kind: "state", key: `own/${key}`, value: Buffer.from("1") }],
      ended,
      durable: () => void this.done.push(key),
      refused: () => {},
    }
  }

  async #execute(effect: Effect, signal: AbortSignal): Promise<void> {
    this.done.push(effect.key)
    await this.execute(effect, signal)
  }
}

export async function openEffectsRig(options: Partial<EffectsOptions> & { readonly store?: Store } = {}) {
  const ambient = simulatedAmbient()
  const store = options.store ?? new MemoryStore()
  const world = new World()
  const effects = await openEffects({ ...ambient, ...options, store })
  return { ...ambient, store, world, effects }
}

const actions: Readonly<Record<ActionType, Action>> = {
  publish: { type: "publish", topic: "a/b", payload: "1", qos: 1, retain: false },
  command: { type: "command", device: "hall/fan", command: "start", input: null, deadlineMs: 1_000 },
  alarm: { type: "alarm", change: "raise", alarm: "hot" },
  function: { type: "function", name: "drift", input: { a: 1 } },
  webhook: { type: "webhook", url: "https://chat.test/hook", method: "POST", headers: {}, body: "hello" },
}

export function effectOf(type: ActionType, key: string, created = 1_735_689_600_000_000): Effect {
  return { key, source: "rule/test", action: actions[type], created }
}

/** As the one whose commit it is would do. */
export async function commit(store: Pick<Store, "put">, planned: Planned | undefined): Promise<void> {
  if (planned === undefined) return
  let durable: Promise<void>
  try {
    durable = store.put(planned.records).durable
  } catch (error) {
    planned.refused()
    throw error
  }
  await durable.then(
    () => planned.durable(),
    () => planned.refused(),
  )
}
