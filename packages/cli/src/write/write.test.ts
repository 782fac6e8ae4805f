import fc from "fast-check"
import { expect, test } from "vitest"
import { parseArgument, parseTags, parseValue } from "./argument.ts"
import { createRowReader, recordsOf } from "./csv.ts"
import { linesOf } from "./lines.ts"

async function* pieces(...texts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const text of texts) yield Buffer.from(text)
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const context = { time: undefined, tags: undefined }

test("a reading on the command line names device, property and value", () => {
  expect(parseArgument("cold/room-1/temperature=4.2", context)).toEqual({
    device: "cold/room-1",
    property: "temperature",
    value: 4.2,
  })
  expect(parseArgument("d/p=a=b/c", { time: "2025-01-01T00:00:00Z", tags: { hall: "b" } })).toEqual({
    device: "d",
    property: "p",
    value: "a=b/c",
    time: "2025-01-01T00:00:00Z",
    tags: { hall: "b" },
  })
})

test.each(["nothing", "p=1", "/p=1", "d/=1", "="])("%j is no reading", (text) => {
  expect(() => parseArgument(text, context)).toThrow("is no reading")
})

test.each([
  ["4.2", 4.2],
  ["-1e3", -1000],
  ["007", 7],
  ["9007199254740993", 9007199254740993n],
  ["true", true],
  ["open", "open"],
  ["12:30", "12:30"],
  ["", ""],
  ['"4.2"', "4.2"],
  ['{"a":[1]}', { a: [1] }],
  ["[closed", "[closed"],
  ["null", "null"],
] as const)("the value %s", (text, value) => {
  expect(parseValue(text)).toEqual(value)
})

test("tags are names and texts", () => {
  expect(parseTags(["a=1", "b=x=y"])).toEqual({ a: "1", b: "x=y" })
  expect(parseTags(undefined)).toBeUndefined()
  expect(() => parseTags(["a"])).toThrow("is no tag")
})

test("lines are the same however the bytes are cut, also within a letter", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n]/g, "")),
        { maxLength: 6 },
      ),
      fc.array(fc.nat()),
      async (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""))
        const places = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b)
        const parts = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
        expect(await collected(linesOf(pieces(...parts)))).toEqual(lines)
      },
    ),
  )
})

test("a last line without an end counts, a carriage return does not, and other bytes than UTF-8 are named", async () => {
  expect(await collected(linesOf(pieces("a\r\n\nb")))).toEqual(["a", "", "b"])
  await expect(collected(linesOf(pieces("a\n", new Uint8Array([0xff, 0xfe]))))).rejects.toThrow(
    "not UTF-8 text, after line 1",
  )
})

const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`

test("CSV keeps every cell, quoted or not", async () => {
  const plain = fc.string().filter((cell) => !/[",\r\n]/.test(cell))
  const cell = fc.oneof(
    plain.map((text) => [text, text] as const),
    fc
      .string()
      .map((text) => text.replaceAll("\r", ""))
      .map((text) => [quoted(text), text] as const),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }), async (rows) => {
      const text = rows.map((row) => `${row.map(([written]) => written).join(",")}\n`).join("")
      const records = await collected(recordsOf(linesOf(pieces(text))))
      expect(records.map(({ cells }) => cells)).toEqual(rows.map((row) => row.map(([, meant]) => meant)))
    }),
  )
})

test("CSV with one column per property", () => {
  const read = createRowReader(["\ufefftime", "device", "temperature", "tag.unit", "door"], undefined)
  expect(read(["2025-01-01T00:00:00Z", "d", "4.2", "C", "open"])).toEqual({
    time: "2025-01-01T00:00:00Z",
    device: "d",
    tags: { unit: "C" },
    values: { temperature: 4.2, door: "open" },
  })
  expect(read(["1700000000000", "d", "", "", ""])).toBeUndefined()
})

test("CSV with property and value", () => {
  const read = createRowReader(["property", "value", "quality", "time"], "station")
  expect(read(["t", "4", "1", "1700000000000"])).toEqual({
    device: "station",
    property: "t",
    value: 4,
    quality: 1,
    time: 1_700_000_000_000,
  })
})

test("CSV that cannot be readings says what is missing", async () => {
  expect(() => createRowReader(["time", "temperature"], undefined)).toThrow("no column `device`")
  expect(() => createRowReader(["device", "time"], undefined)).toThrow("hold no readings: device, time")
  await expect(collected(recordsOf(linesOf(pieces('a\n"b'))))).rejects.toThrow("line 2 is never closed")
  await expect(collected(recordsOf(linesOf(pieces('a\n"b"c\n'))))).rejects.toThrow("behind a closing quote")
})
