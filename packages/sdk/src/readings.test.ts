import { isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { countOf, encodeReading, type ReadingInput } from "./readings.ts"

const refused = (input: unknown): string => {
  try {
    encodeReading(input as ReadingInput)
  } catch (error) {
    if (isFogError(error, "readings_invalid")) return error.message
    throw error
  }
  return "accepted"
}

test("a reading becomes one line with everything that it carries", () => {
  const line = encodeReading({
    device: "hall/1",
    property: "door",
    value: { open: true },
    time: new Date(1_700_000_000_123),
    tags: { unit: "°C" },
    quality: 4,
  })
  expect(JSON.parse(line)).toEqual({
    device: "hall/1",
    property: "door",
    value: { open: true },
    time: 1_700_000_000_123,
    tags: { unit: "°C" },
    quality: 4,
  })
  expect(line).not.toContain("\n")
})

test("several values of a device travel together and count one by one", () => {
  const input = { device: "d", values: { t: 4.2, door: "open" }, time: "2025-01-01T00:00:00.000001Z" }
  expect(JSON.parse(encodeReading(input))).toEqual(input)
  expect(countOf(input)).toBe(2)
})

test("big integers keep every digit", () => {
  expect(encodeReading({ device: "d", property: "p", value: 2n ** 63n })).toContain('"value":9223372036854775808')
})

test("a text with line ends stays one line", () => {
  expect(encodeReading({ device: "d", property: "p", value: "a\nb\r\n" }).split("\n")).toHaveLength(1)
})

test("the given default time stands in only where there is none", () => {
  expect(encodeReading({ device: "d", property: "p", value: 1 }, 5)).toContain('"time":5')
  expect(encodeReading({ device: "d", property: "p", value: 1, time: 7 }, 5)).toContain('"time":7')
})

test("a value that JSON cannot carry is refused with the reason", () => {
  expect(refused({ device: "d", property: "p", value: { big: 1n } })).toContain("BigInt")
})

test.each([
  [{ device: "d", property: "p", value: Number.NaN }, "d.p has the value NaN"],
  [{ device: "d", property: "p", value: Number.POSITIVE_INFINITY }, "Infinity"],
  [{ device: "d", property: "p", value: null }, "null"],
  [{ device: "d", property: "p" }, "undefined"],
  [{ device: "d", property: "p", value: { toJSON: () => undefined } }, "no JSON"],
  [{ device: "", property: "p", value: 1 }, 'device "" is empty'],
  [{ property: "p", value: 1 }, "device is missing"],
  [{ device: "d", property: "a\u0000b", value: 1 }, "control character"],
  [{ device: "d", values: {} }, "has no values"],
  [{ device: "d", values: { t: Number.NaN } }, "d.t has the value NaN"],
  [{ device: "d", property: "p", value: 1, time: new Date("x") }, "has a time that is none"],
])("%j is refused where it is made", (input, message) => {
  expect(refused(input)).toContain(message)
})
