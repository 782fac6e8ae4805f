/** Random histories of the room: what it shows is always what a node would find that starts from the log alone. */
import type { AlarmAction, AlarmEvent, AlarmInfo, Planned } from "@brume/core"
import { simulatedAmbient } from "@brume/testkit"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { openAlarms } from "./alarms.ts"

type Step =
  | {
      readonly do: "plan"
      readonly change: "raise" | "clear"
      readonly alarm: number
      readonly severity: "info" | "critical"
    }
  | { readonly do: "end"; readonly isRefused: boolean }
  | { readonly do: "acknowledge" | "clear" | "unsilence"; readonly alarm: number }
  | { readonly do: "silence"; readonly alarm: number; readonly ms: number }
  | { readonly do: "wait"; readonly ms: number }

const alarm = fc.nat(7)
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("plan" as const),
        change: fc.constantFrom("raise" as const, "clear" as const),
        alarm,
        severity: fc.constantFrom("info" as const, "critical" as const),
      }),
    },
    {
      weight: 7,
      arbitrary: fc.record({
        do: fc.constant("end" as const),
        isRefused: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("acknowledge", "clear", "unsilence"), alarm }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("silence" as const), alarm, ms: fc.constantFrom(5, 5_000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 100) }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 80, size: "max" },
)

test("after every commit the room shows what the log says, within its limits, and tells each event once", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const ambient = simulatedAmbient()
      const store = new MemoryStore()
      const limits = { maxAlarms: 5, maxEvents: 12 }
      const room = () => openAlarms({ ...ambient, store, limits })
      const alarms = room()
      const told: AlarmEvent[] = []
      alarms.onEvent((event) => void told.push(event))
      const onTheirWay: Planned[] = []
      let keys = 0
      let refusals = 0
      const end = (isRefused: boolean): void => {
        const planned = onTheirWay.shift()
        if (planned === undefined) return
        if (isRefused) {
          refusals++
          planned.refused()
        } else {
          store.put(planned.records)
          planned.durable()
        }
      }
      // What is on its way comes first, as it does in the log.
      const commitAll = (): void => {
        while (onTheirWay.length > 0) end(false)
      }
      const compare = (): void => {
        const found = room()
        const byId = (list: readonly AlarmInfo[]) => new Map(list.map((one) => [one.id, one]))
        expect(byId(alarms.list())).toEqual(byId(found.list()))
        expect(alarms.history({ limit: 100 })).toEqual(found.history({ limit: 100 }))
      }
      for (const step of history) {
        const id = "alarm" in step ? `a${step.alarm}` : ""
        if (step.do === "plan") {
          const { change, severity } = step
          const action: AlarmAction = { type: "alarm", change, alarm: id, severity }
          try {
            onTheirWay.push(alarms.plan({ key: `k${keys++}`, source: "rule/r", created: 0, action }))
          } catch (error) {
            expect(error).toMatchObject({ code: "alarms_full" })
          }
        } else if (step.do === "end") end(step.isRefused)
        else if (step.do === "wait") ambient.clock.advance(step.ms)
        else {
          commitAll()
          const until = step.do === "silence" ? ambient.clock.now() + step.ms * 1_000 : 0
          const work =
            step.do === "acknowledge"
              ? alarms.acknowledge(id, "alice")
              : step.do === "clear"
                ? alarms.clear(id, "alice")
                : alarms.silence(id, until, "alice")
          await work.catch((error) => expect(["alarm_not_found", "alarm_invalid"]).toContain(error.code))
        }
        if (onTheirWay.length === 0) compare()
      }
      commitAll()
      compare()
      // What followed from a refused commit may have taken its room.
      expect(alarms.list().length).toBeLessThanOrEqual(limits.maxAlarms + refusals)
      expect(alarms.history({ limit: 1_000 }).length).toBeLessThanOrEqual(limits.maxEvents + 4)
      const numbers = told.map(({ number }) => number)
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    }),
    { numRuns: 200 },
  )
}, 60_000)
