/** Any topic, any mapping, any bytes: readings or a reason, never an exception, and a batch as it was where refused. */
import { ReadingBatch, SeriesCache } from "@brume/core"
import fc from "fast-check"
import { expect, test, vi } from "vitest"
import type { MappingSettings } from "./compile-mapping.ts"
import { createMapper } from "./mapping.ts"

vi.setConfig({ testTimeout: 600_000 })
const numRuns = process.env.BRUME_LONG === "1" ? 200_000 : 3_000
const receivedUs = Date.UTC(2026, 2, 1, 12) * 1000

const level = fc.oneof(
  fc.constantFrom("devices", "a", "b", "commands", "set", "", "$SYS", "é"),
  fc.string({ unit: "binary", maxLength: 3 }),
)
const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join("/"))
const pattern = fc.constantFrom("#", "+/{device}", "devices/{device}/#", "a/{device}/{property}", "{x}/{rest}", "a/b")
const template = fc.constantFrom(undefined, "fixed", "x/y", "é".repeat(512))

const settings = fc.record<MappingSettings>({
  name: fc.constant("m"),
  topic: pattern,
  device: fc.oneof({ weight: 3, arbitrary: fc.constant("device") }, template),
  property: template,
  payload: fc.constantFrom("auto", "number", "text", "boolean", "json", "senml", "none"),
  flatten: fc.constantFrom("objects", "all", "none"),
  select: fc.constantFrom({}, {}, { "/a": "x", "/n/b/0": "y", "/time": "z" }),
  time: fc.record({
    member: fc.constantFrom(undefined, "time", "a"),
    unit: fc.constantFrom("auto", "s", "ms", "us", "ns", "iso", "none"),
    zone: fc.constantFrom(undefined, "Z", "-03:30"),
  }),
  tags: fc.constantFrom({}, { t: "v" }),
  multiply: fc.constantFrom(1, 0.1, 1e300, 0),
  add: fc.constantFrom(0, -40, 1e300),
})

const json = fc
  .oneof(
    fc.dictionary(fc.constantFrom("a", "b", "time", "ts", "value", "n", ""), fc.jsonValue({ maxDepth: 3 })),
    fc.array(fc.record({ n: fc.constantFrom("a", "b/c", ":"), v: fc.double({ noNaN: true }), bt: fc.integer() })),
    fc.jsonValue({ maxDepth: 6 }),
  )
  .map((value) => Buffer.from(JSON.stringify(value)))
const word = fc
  .constantFrom(
    "4.2",
    "-",
    "NaN",
    "1e999",
    "true",
    "ON",
    "null",
    "",
    " ",
    "\ufeff",
    "{",
    '"',
    "9".repeat(400),
    "+.",
    "0x",
  )
  .map((text) => Buffer.from(text))
const bytes = fc.uint8Array({ maxLength: 24 }).map((array) => Buffer.from(array))
const payload = fc.oneof({ weight: 4, arbitrary: json }, word, bytes)

test("no topic, mapping and payload make an exception or half a message", () => {
  fc.assert(
    fc.property(
      topic,
      fc.array(settings, { maxLength: 2 }),
      fc.array(payload, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(undefined, "application/senml+json", "application/json", "text/plain", ";"),
      (name, mappings, payloads, contentType) => {
        const mapper = createMapper({ mappings, series: new SeriesCache() })
        const mapping = mapper.resolve(name, contentType)
        expect(mapping === undefined).toBe(mapper.whyNot(name) !== undefined)
        const batch = new ReadingBatch()
        for (const one of payloads) {
          const { length } = batch
          const seriesCount = batch.series.length
          const added = mapping?.add(batch, one, 0, one.length, receivedUs)
          if (typeof added === "number") expect(batch.length).toBe(length + added)
          else {
            expect([batch.length, batch.series.length]).toEqual([length, seriesCount])
            if (mapping !== undefined) expect(added?.reason).toMatch(/^\S/)
          }
        }
        for (let row = 0; row < batch.length; row++) {
          expect(Number.isSafeInteger(batch.time[row]!)).toBe(true)
          const { device, property } = batch.series[batch.seriesIndex[row]!]!
          expect(device.length * property.length).toBeGreaterThan(0)
        }
      },
    ),
    { numRuns },
  )
})
