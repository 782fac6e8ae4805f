import fc from "fast-check"
import { expect, test } from "vitest"
import { recordedTerminal } from "../../../test/rig/recorded-terminal.ts"
import { type Cell, Table } from "./table.ts"
import { cutText, textWidth, visible } from "./text-width.ts"

async function drawn(rows: readonly (readonly Cell[])[], columns?: number): Promise<string[]> {
  const terminal = recordedTerminal(columns === undefined ? {} : { columns })
  const table = new Table([{ title: "NAME" }, { title: "VALUE", isNumber: true }, { title: "NOTE" }], terminal.out)
  await table.write(rows)
  return terminal.stdout().trimEnd().split("\n")
}

test("numbers stand at the right of their column, texts at the left", async () => {
  expect(
    await drawn([
      ["a", 4.25, "x"],
      ["longer", 1000, null],
    ]),
  ).toEqual(["NAME    VALUE  NOTE", "a        4.25  x", "longer   1000  null"])
})

test("wide letters keep the columns in line", async () => {
  const lines = await drawn([
    ["温度", 1, "|"],
    ["ab", 1, "|"],
    ["🙂e\u0301", 1, "|"],
  ])
  const places = lines.slice(1).map((line) => textWidth(line.slice(0, line.indexOf("|"))))
  expect(new Set(places).size).toBe(1)
})

test("a terminal's width is kept by cutting the widest column", async () => {
  const lines = await drawn([["a", 1, "long ".repeat(40)]], 40)
  for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(40)
  expect(lines[1]).toContain("…")
  expect((await drawn([["a", 1, "long ".repeat(40)]]))[1]).not.toContain("…")
})

test("rows that no table of the terminal's width holds become lists", async () => {
  const lines = await drawn(
    [
      ["温度 of the room", 1234567890, null],
      ["b", 1, "x".repeat(60)],
    ],
    30,
  )
  expect(lines).toEqual([
    "── 1 ────────────",
    "NAME   温度 of the room",
    "VALUE  1234567890",
    "NOTE   null",
    "── 2 ────────────",
    "NAME   b",
    "VALUE  1",
    `NOTE   ${"x".repeat(60)}`,
  ])
})

test("nothing in a cell can move the cursor", async () => {
  const lines = await drawn([["\u001b[31mred\u0007", 1, "two\nlines\t"]])
  expect(lines).toHaveLength(2)
  expect(lines[1]).toContain("\\x1b[31mred\\x07")
  expect(visible("a\nb")).toBe("a⏎b")
})

test("a cut text never takes more cells than allowed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 30 }), (text, cells) => {
      expect(textWidth(cutText(text, cells))).toBeLessThanOrEqual(cells)
    }),
  )
})

test("objects in cells are JSON", async () => {
  expect((await drawn([[{ a: 1 }, true, [1]]]))[1]).toBe('{"a":1}   true  [1]')
})
