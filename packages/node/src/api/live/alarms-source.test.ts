import type { AlarmAction } from "@brume/core"
import { simulatedAmbient } from "@brume/testkit"
import { expect, test } from "vitest"
import { MemoryStore } from "../../../../../test/rig/memory-store.ts"
import { openAlarms } from "../../alarms/alarms.ts"
import { alarmsSource } from "./alarms-source.ts"

function opened() {
  const ambient = simulatedAmbient()
  const alarms = openAlarms({ ...ambient, store: new MemoryStore(), limits: { maxAlarms: 5_000 } })
  let keys = 0
  const does = (alarm: string, more: Partial<AlarmAction> = {}): void =>
    alarms
      .plan({
        ...{ key: `k${keys++}`, source: "rule/cold", created: 0 },
        action: { type: "alarm", change: "raise", alarm, ...more },
      })
      .durable()
  let wakes = 0
  const principal = { tokenId: "t", name: "t", scopes: ["read"], devices: undefined } as never
  const source = alarmsSource(alarms, principal, () => void wakes++)
  const next = () => {
    const text = source.next()
    return text === undefined
      ? undefined
      : (JSON.parse(text) as { alarms?: unknown[]; events?: unknown[]; left?: number })
  }
  return { does, source, next, wakes: () => wakes }
}

test("events wait together, and nothing is told twice", () => {
  const { does, next, wakes } = opened()
  expect(next()).toEqual({ type: "alarms", alarms: [], left: 0 })
  expect(next()).toBeUndefined()
  does("a")
  does("b")
  expect(wakes()).toBe(2)
  expect(next()!.events).toHaveLength(2)
  expect(next()).toBeUndefined()
})

test("who takes too long gets what is raised instead of what it missed, and then events again", () => {
  const { does, next } = opened()
  next()
  for (let n = 0; n < 1_200; n++) does(`a${n}`)
  does("a0", { change: "clear" })
  const behind = next()!
  expect(behind.alarms).toHaveLength(1_000)
  expect(behind.left).toBe(199)
  does("b")
  expect(next()!.events).toMatchObject([{ change: "raised", alarm: { id: "b" } }])
})

test("what happens before the first message is in it", () => {
  const { does, next, source } = opened()
  does("a")
  expect(next()!.alarms).toHaveLength(1)
  expect(next()).toBeUndefined()
  source.close()
  does("b")
  expect(next()).toBeUndefined()
})
