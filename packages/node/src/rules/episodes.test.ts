import fc from "fast-check"
import { expect, test } from "vitest"
import { openRuled, saying } from "../../../../test/rig/ruled.ts"

/** What happens to one series: a reading, one that the disk refuses, time, or the end of the node in between. */
type Step =
  | { readonly kind: "read" | "refused"; readonly value: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "restart" }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("read"), value: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refused"), value: fc.integer({ min: 0, max: 9 }) }) },
  // Odd, so that nothing is due at the very moment of a reading.
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.integer({ min: 0, max: 20 }).map((n) => n * 2_000 + 1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart") }) },
)

interface Seen {
  readonly ms: number
  readonly value: number
}

/** By the definition, over the whole history: each line is when and what. */
function naive(seen: readonly Seen[], forMs: number, limits: { high: number; low: number }, endMs: number): string[] {
  const told: string[] = []
  const holds = ({ value }: Seen) => value > limits.high
  for (let from = 0; ; ) {
    const first = seen.findIndex((reading, index) => index >= from && holds(reading))
    if (first < 0) return told
    const broken = seen.findIndex((reading, index) => index > first && !holds(reading))
    const due = seen[first]!.ms + forMs
    if (broken >= 0 && seen[broken]!.ms < due) {
      from = broken + 1
      continue
    }
    if (due > endMs) return told
    told.push(`${due} on`)
    const cleared = seen.findIndex(
      ({ ms, value }, index) => index > first && (forMs === 0 || ms > due) && value < limits.low,
    )
    if (cleared < 0) return told
    told.push(`${seen[cleared]!.ms} off`)
    from = cleared + 1
  }
}

async function run(steps: readonly Step[], forMs: number, limits: { high: number; low: number }): Promise<void> {
  await using ruled = await openRuled()
  const { clock, effects, store } = ruled
  ruled.apply("r", {
    ...{ on: { device: "d" }, when: `value > ${limits.high}`, clearWhen: `value < ${limits.low}` },
    ...(forMs === 0 ? {} : { for: `${forMs / 1_000}s` }),
    ...saying("on", "off"),
  })
  const begin = clock.now()
  const nowMs = () => (clock.now() - begin) / 1_000
  const seen: Seen[] = []
  for (const one of steps) {
    if (one.kind === "wait") await clock.run(one.ms)
    else if (one.kind === "restart") await ruled.restart()
    else if (one.kind === "read") {
      seen.push({ ms: nowMs(), value: one.value })
      await ruled.read({ device: "d", property: "p", value: one.value })
    } else {
      store.state = "full"
      await expect(ruled.read({ device: "d", property: "p", value: one.value })).rejects.toThrow()
      store.state = "accepting"
    }
  }
  await clock.run(0)
  const told = effects.done.map(({ action, created }) => {
    const payload = action.type === "publish" ? action.payload : ""
    return `${(created - begin) / 1_000} ${payload}`
  })
  expect(told).toEqual(naive(seen, forMs, limits, nowMs()))
}

test.each([0, 7_000, 30_000])(
  "for %d ms with hysteresis is what the history says, whatever is refused or ends",
  async (forMs) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) => run(steps, forMs, { high: 5, low: 4 })),
      { numRuns: 60, seed: 4_711 + forMs },
    )
  },
)
