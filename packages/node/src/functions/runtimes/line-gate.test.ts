import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { burstBytes, LineGate, longestLine } from "./line-gate.ts"
import type { FunctionLine } from "./runtime.ts"

function gate(): { clock: VirtualClock; gate: LineGate; lines: FunctionLine[] } {
  const clock = new VirtualClock()
  const lines: FunctionLine[] = []
  return { clock, gate: new LineGate(clock, (line) => lines.push(line)), lines }
}

test("text becomes lines, however it is split, and streams do not mix", () => {
  const { gate: own, lines } = gate()
  for (const text of ["a", "b\nc", "", "d\n\ne"]) own.print("stdout", text)
  own.print("stderr", "x\n")
  own.end()
  expect(lines.map(({ message, level, stream }) => `${stream} ${level} ${message}`)).toEqual([
    "stdout info ab",
    "stdout info cd",
    "stdout info ",
    "stderr warn x",
    "stdout info e",
  ])
})

test("a line without an end costs no more than the longest line", () => {
  const { gate: own, lines } = gate()
  for (let part = 0; part < 100; part++) expect(own.print("stdout", "x".repeat(10_000))).toBe(true)
  own.print("stdout", "\n")
  expect(lines).toHaveLength(1)
  expect(lines[0]?.message).toBe(`${"x".repeat(longestLine)}…`)
})

test("after a burst, lines pass at a steady rate, and the number of those dropped is said", () => {
  const { clock, gate: own, lines } = gate()
  own.print("stdout", "line\n".repeat(1_500))
  expect(lines).toHaveLength(1_000)
  clock.advance(1_000)
  own.print("stdout", "line\n".repeat(300))
  expect(lines).toHaveLength(1_201)
  expect(lines[1_000]).toMatchObject({ level: "warn", message: expect.stringContaining("500 lines were dropped") })
  own.end()
  expect(lines.at(-1)?.message).toContain("100 lines were dropped")
})

test("bytes beyond the budget are a flood, on any way", () => {
  const { clock, gate: own } = gate()
  const half = "x".repeat(burstBytes / 2)
  expect(own.print("stdout", half)).toBe(true)
  expect(own.print("stderr", half)).toBe(true)
  expect(own.print("stderr", "x")).toBe(false)
  clock.advance(1_000)
  expect(own.log({ level: "info", message: "m", stream: "log" }, 1_000_000)).toBe(true)
  expect(own.log({ level: "info", message: "m", stream: "log" }, 100_000)).toBe(false)
})
