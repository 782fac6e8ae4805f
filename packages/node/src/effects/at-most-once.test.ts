/** Random histories of the room over the real log: planned, durable, refused, attempted, crashed at any step. */
import { type ActionType, actionTypes, FogError, type Planned, type Store } from "@brume/core"
import { nullMetrics, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { effectOf, World } from "../../../../test/rig/effects.ts"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { type OpenedEffects, openEffects } from "./effects.ts"

type Step =
  | {
      readonly do: "plan"
      readonly cause: number
      readonly type: ActionType
      readonly commit: "durable" | "refused" | "lost"
    }
  | { readonly do: "end"; readonly cause: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "stop" }
  | { readonly do: "crash" }

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("plan" as const),
        cause: fc.nat(12),
        type: fc.constantFrom(...actionTypes),
        // `lost`: its commit is still on its way when the node crashes, or for good.
        commit: fc.constantFrom("durable" as const, "durable" as const, "refused" as const, "lost" as const),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("end" as const), cause: fc.nat(12) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(0, 10, 1_000, 20_000) }),
    },
    { weight: 1, arbitrary: fc.constant({ do: "stop" as const }) },
    { weight: 2, arbitrary: fc.constant({ do: "crash" as const }) },
  ),
  { maxLength: 60, size: "max" },
)

/** The node as far as it is alive; a crash leaves only what the store has. */
class Life {
  readonly world = new World()
  readonly clock: VirtualClock
  readonly effects: OpenedEffects
  readonly ends = new Map<string, () => void>()
  readonly planned = new Map<string, Planned>()

  private constructor(clock: VirtualClock, effects: OpenedEffects) {
    this.clock = clock
    this.effects = effects
  }

  static async begin(store: Store, startUs: number): Promise<Life> {
    const clock = new VirtualClock(startUs)
    const ambient = { clock, random: new SeededRandom(1), logger: new SilentLogger(), metrics: nullMetrics }
    const life = new Life(clock, await openEffects({ ...ambient, store }))
    life.world.planned = "later"
    life.world.execute = ({ key }, signal) =>
      new Promise((resolve, reject) => {
        life.ends.set(key, resolve)
        signal.addEventListener("abort", () => reject(new FogError("effect_in_doubt", { message: "stopped" })))
      })
    life.effects.begin(life.world.executors)
    return life
  }
}

/** What a crash leaves: everything that is durable, and nothing that hangs on the former life. */
function copyOf(store: MemoryStore): MemoryStore {
  const copy = new MemoryStore()
  for (const kind of ["effect", "state"] as const)
    copy.put([...store.entries(kind)].map(([key, value]) => ({ kind, key, value })))
  return copy
}

test("whatever happens, each effect is done at most once, and after a restart none is without an outcome", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      let store = new MemoryStore()
      const done: string[] = []
      const durable = new Set<string>()
      let life = await Life.begin(store, 1_735_689_600_000_000)
      for (const step of history) {
        if (step.do === "plan") {
          const key = `${step.type}-${step.cause}`
          const planned = life.effects.plan(effectOf(step.type, key, life.clock.now()))
          // E1: once it was durable, it is never planned again.
          if (durable.has(key)) expect(planned).toBeUndefined()
          if (planned === undefined || step.commit === "lost") continue
          if (step.commit === "refused") {
            planned.refused()
            continue
          }
          await store.put(planned.records).durable
          durable.add(key)
          life.planned.set(key, planned)
          const seen = life.world.done.filter((one) => one === key).length
          planned.durable()
          if (step.type !== "webhook" && step.type !== "function")
            expect(life.world.done.filter((one) => one === key)).toHaveLength(seen + 1)
        } else if (step.do === "end") {
          for (const [key, end] of life.ends) if (key.endsWith(`-${step.cause}`)) end()
          for (const type of ["publish", "command", "alarm"] as const) {
            const key = `${type}-${step.cause}`
            if (life.planned.has(key)) life.world.end(key, { state: "done" })
          }
        } else if (step.do === "wait") await life.clock.run(step.ms)
        else {
          if (step.do === "stop") {
            const closing = life.effects.close()
            await life.clock.run(5_000)
            await closing
          }
          done.push(...life.world.done)
          store = copyOf(store)
          life = await Life.begin(store, life.clock.now())
        }
      }
      done.push(...life.world.done)
      store = copyOf(store)
      const last = await Life.begin(store, life.clock.now())
      await last.clock.run(60_000)
      done.push(...last.world.done)
      expect(done).toHaveLength(new Set(done).size)
      // Nothing left the node whose key was not durable before.
      for (const key of done) expect(durable.has(key), key).toBe(true)
      for (const key of durable) expect(last.effects.get(key)?.state, key).toMatch(/^(done|failed|in-doubt)$/)
      for (const { state } of last.effects.list({ limit: 1_000 }).effects) expect(state).not.toBe("pending")
    }),
    { numRuns: 150 },
  )
}, 60_000)
