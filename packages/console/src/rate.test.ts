import { expect, it } from "vitest"
import { RateMeter } from "./rate.ts"

it("averages over the last ten seconds, once it knows enough", () => {
  const meter = new RateMeter()
  const status = (nextSeq: number) => ({ epoch: "a", nextSeq })
  expect(meter.measure(0, status(100))).toBeUndefined()
  expect(meter.measure(2_000, status(120))).toBeUndefined()
  expect(meter.measure(4_000, status(140))).toBe(10)
  meter.measure(8_000, status(240))
  expect(meter.measure(13_000, status(540))).toBeCloseTo(400 / 9)
})

it("begins anew with another life of the log, and after a silence", () => {
  const meter = new RateMeter()
  for (const at of [0, 1_000, 2_000]) meter.measure(at, { epoch: "a", nextSeq: at })
  expect(meter.measure(3_000, { epoch: "b", nextSeq: 5 })).toBeUndefined()
  meter.forget()
  expect(meter.measure(4_000, { epoch: "b", nextSeq: 5 })).toBeUndefined()
})
