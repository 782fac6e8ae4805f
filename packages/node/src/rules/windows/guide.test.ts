/** docs/guide/windows.md: each row of its tables is what happens, under the rule that stands before it. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { parse } from "yaml"
import { openDuckDb, WindowsRig, windowed } from "../../../../../test/rig/windows.ts"
import { ruleKind } from "../rule-kind.ts"
import type { RuleSpec } from "../rule-spec.ts"
import { parseSelect } from "./select.ts"
import type { WindowResult } from "./window-result.ts"

const guide = readFileSync(fileURLToPath(new URL("../../../../../docs/guide/windows.md", import.meta.url)), "utf8")
const header = "| time | reading | a window says |"
const connection = await openDuckDb()

interface Chapter {
  readonly name: string
  readonly spec: RuleSpec
  readonly rows: readonly (readonly string[])[]
}

const cellsOf = (line: string): string[] =>
  line
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim())

function chapters(): Chapter[] {
  const found: Chapter[] = []
  let document = { metadata: { name: "" }, spec: {} as RuleSpec }
  for (const block of guide.split("\n\n")) {
    if (block.startsWith("```yaml")) document = parse(block.slice("```yaml\n".length, block.lastIndexOf("```")))
    const lines = block.split("\n")
    if (lines[0] !== header) continue
    found.push({ name: document.metadata.name, spec: document.spec, rows: lines.slice(2).map(cellsOf) })
  }
  return found
}

/** A time of day, µs since 1970 UTC. */
const at = (clock: string): number => Date.parse(`2026-03-02T${clock}Z`) * 1_000

const clockOf = (date: Date): string => date.toISOString().slice(11, 19)

function sentenceOf({ device, scope }: WindowResult): string {
  const { window_start, window_end, device: _device, property: _property, revision, ...columns } = scope
  const words = Object.entries(columns).map(
    ([name, value]) => `${name} ${value instanceof Date ? clockOf(value) : value}`,
  )
  const span = `${clockOf(window_start as Date)}–${clockOf(window_end as Date)}`
  return [device, span, ...words, ...(revision === 0 ? [] : [`revision ${revision}`])].join(" ")
}

test.each(chapters())("$name", async ({ name, spec, rows }) => {
  expect(ruleKind.check(spec, name)).toEqual([])
  const rig = await WindowsRig.open(connection)
  rig.clock.jump(at("10:00:00"))
  rig.windows.set(windowed(name, spec.window!, spec.on as { device: string; property: string }))
  await rig.windows.begin()
  for (const [time = "", reading = "", says] of rows) {
    const before = rig.told.length
    await rig.run((at(time) - rig.clock.now()) / 1_000)
    const [, device, property, value, when] = /^(\S+) (\S+) (\S+)(?: at (\S+))?$/.exec(reading) ?? []
    if (device !== undefined)
      rig.append([{ device, property: property!, value: Number(value), time: at(when ?? time) }])
    await rig.settle()
    expect(rig.told.slice(before).map(sentenceOf).join("; "), time).toBe(says)
  }
  await rig.windows.close()
})

test("the tables are found", () => {
  expect(chapters().map(({ rows }) => rows.length)).toEqual([6, 5, 6, 5, 6])
})

test("what select answers to mistakes is what it says", () => {
  const lines = guide.slice(guide.indexOf("| `select` | answer |")).split("\n\n")[0]!.split("\n").slice(2)
  expect(lines.length).toBe(6)
  for (const [select, answer] of lines.map(cellsOf)) {
    const unquoted = (cell: string): string => cell.replace(/^`|`$/g, "")
    expect(parseSelect(unquoted(select!))).toEqual({ problem: unquoted(answer!) })
  }
})
