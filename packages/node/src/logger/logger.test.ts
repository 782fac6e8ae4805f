import { FogError, Secret } from "@brume/core"
import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { createLogger, type LoggerOptions } from "./logger.ts"

/** 2025-01-01T00:00:00Z in µs. */
const newYear = 1_735_689_600_000_000

function logger(options: Partial<LoggerOptions> = {}) {
  const clock = new VirtualClock(newYear)
  const lines: string[] = []
  const log = createLogger({ level: "info", format: "pretty", clock, write: (text) => lines.push(text), ...options })
  return { clock, lines, log, json: () => lines.map((line) => JSON.parse(line)) }
}

test("pretty puts time, level, room, message and facts on one line", () => {
  const { log, lines } = logger()
  log
    .child({ room: "store" })
    .warn("The disk is nearly full", { freeBytes: 12, path: "/var/lib/a b", policy: "reject" })
  expect(lines).toEqual([
    '2025-01-01T00:00:00.000Z warn  store: The disk is nearly full freeBytes=12 path="/var/lib/a b" policy=reject\n',
  ])
})

test("json is one object a line, whose own keys no field can replace", () => {
  const { log, json } = logger({ format: "json" })
  log
    .child({ room: "api" })
    .info("Answered", { level: "none", message: "other", time: 1, big: 2n ** 60n, bad: Number.NaN })
  expect(json()).toEqual([
    {
      time: "2025-01-01T00:00:00.000Z",
      level: "info",
      room: "api",
      message: "Answered",
      big: "1152921504606846976",
      bad: "NaN",
    },
  ])
})

test("what is below the level is not printed", () => {
  const { log, lines } = logger({ level: "warn" })
  log.debug("no")
  log.info("no")
  log.warn("yes")
  log.error("yes")
  expect(lines).toHaveLength(2)
})

test.each(["pretty", "json"] as const)("no secret is printed in %s, by type nor by form", (format) => {
  const { log, lines } = logger({ format })
  const secret = "brume_a1b2c3_Sup3r-Secret_Random"
  log.info("Made a token", {
    typed: new Secret("hunter2"),
    nested: { list: [new Secret("hunter2"), `?p=${secret}&q=1`] },
    text: `Bearer ${secret}`,
    error: new Error(`refused ${secret}`, { cause: new Error(secret) }),
  })
  expect(lines.join("")).toMatch(/\btyped"?[=:]"?\[secret\]/)
  expect(lines.join("")).toContain("brume_a1b2c3_[secret]")
  expect(lines.join("")).not.toMatch(/hunter2|Sup3r/)
})

test("an error is printed once with its code, its hint and every cause, even when the chain is a circle", () => {
  const { log, lines } = logger()
  const disk = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" })
  const outer = new FogError("store_full", { message: "Cannot append", hint: "Free some space.", cause: disk })
  disk.cause = outer
  log.error("The store rejects readings", { error: outer })
  expect(lines).toEqual([
    "2025-01-01T00:00:00.000Z error The store rejects readings\n" +
      "    FogError store_full: Cannot append\n" +
      "      hint: Free some space.\n" +
      "    caused by Error ENOSPC: ENOSPC: no space left on device\n",
  ])
})

test("an unexpected error shows where it came from", () => {
  const { log, lines } = logger()
  log.error("A fault", { error: new TypeError("x is not a function") })
  expect(lines[0]).toMatch(/TypeError: x is not a function\n\s+at .*logger\.test\.ts/)
})

test("json keeps the causes as a list", () => {
  const { log, json } = logger({ format: "json" })
  log.error("A fault", {
    error: new AggregateError([new Error("first"), "second"], "both", {
      cause: new FogError("store_busy", { message: "m" }),
    }),
  })
  const [{ error }] = json()
  expect(error).toMatchObject({ name: "AggregateError", message: "both" })
  expect(error.causes).toMatchObject([{ name: "FogError", code: "store_busy" }, { message: "first" }, "second"])
})

test("a text from outside cannot forge a line or steer a terminal", () => {
  const { log, lines } = logger()
  const evil = "a\n2025-01-01T00:00:00.000Z error store: lost\u001b[31m \u009b2J\u2028"
  log.info("Refused", { device: evil, error: new FogError("usage", { message: evil, hint: evil }) })
  for (const line of lines.join("").split("\n").slice(1)) expect(line === "" || line.startsWith("    ")).toBe(true)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may remain.
  expect(lines.join("").replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/)
})

test("a repeated message is printed ten times a second, the rest is counted", () => {
  const { log, clock, json } = logger({ format: "json" })
  const store = log.child({ room: "store" })
  for (let i = 0; i < 1_000; i++) store.warn("Again", { i })
  log.child({ room: "api" }).warn("Again")
  expect(json()).toHaveLength(11)
  clock.advance(1_000)
  expect(json().slice(11)).toMatchObject([
    { level: "warn", room: "store", message: "Again", leftOut: 990, withinMs: 1_000 },
  ])
  store.warn("Again")
  expect(json()).toHaveLength(13)
  clock.advance(1_000)
  expect(json(), "nothing was left out").toHaveLength(13)
})

test("whatever is logged is bounded and never throws", () => {
  const { log, lines } = logger({ format: "json" })
  const circle: Record<string, unknown> = {
    text: "x".repeat(1e6),
    list: new Array(1e5).fill(1),
    bytes: new Uint8Array(9),
  }
  circle.self = circle
  log.info("Large", { circle, map: new Map([["a", { deep: { deeper: { deepest: { end: 1 } } } }]]), call: () => 1 })
  expect(lines[0]!.length).toBeLessThan(100_000)
  expect(JSON.parse(lines[0]!).circle.bytes).toBe("9 bytes")
  log.info("Odd", {
    get broken(): never {
      throw new Error("no")
    },
  })
  expect(JSON.parse(lines[1]!)).toMatchObject({ message: "Odd", broken: "unreadable" })
})

test("a log that cannot be written harms nobody", () => {
  const { log } = logger({
    write: () => {
      throw new Error("EPIPE")
    },
  })
  log.info("anything")
})
