import fc from "fast-check"
import { expect, test } from "vitest"
import { batchOf, quality, type Reading, ReadingBatch } from "./reading.ts"
import { canonicalTags, nameProblem, Series, SeriesCache } from "./series.ts"

const origin = { node: "n", epoch: "e", firstSeq: 100 }

test("a batch gives back what was added, in order, also beyond its first capacity", () => {
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => ({ value: number, text: null, json: null })),
    fc.string().map((text) => ({ value: null, text, json: null })),
    fc.json().map((json) => ({ value: null, text: null, json })),
    fc.bigInt({ min: 2n ** 53n }).map((big) => ({ value: Number(big), text: null, json: String(big) })),
  )
  const reading = fc.record({
    device: fc.constantFrom("a", "b", "c"),
    property: fc.constantFrom("x", "y"),
    tags: fc.constantFrom("{}", '{"unit":"K"}'),
    time: fc.maxSafeInteger(),
    quality: fc.constantFrom(0, quality.deviceClock),
    value,
  })
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 50 }), (given) => {
      const flat = given.map(({ value: carried, ...rest }) => ({ ...rest, ...carried }))
      const batch = batchOf(flat)
      batch.received = 7
      expect(batch.length).toBe(flat.length)
      flat.forEach((wanted, row) => {
        const found: Reading = batch.readingAt(row, origin)
        expect(found).toEqual({ ...wanted, received: 7, node: "n", epoch: "e", seq: 100 + row })
      })
    }),
  )
})

test("a series takes one place in a batch's dictionary, and another in the next batch's", () => {
  const [first, second] = [new Series("d", "a"), new Series("d", "b")]
  const one = new ReadingBatch(1)
  const two = new ReadingBatch(1)
  for (const series of [first, second, first]) one.addNumber(series, 0, 1)
  for (const series of [second, second, first]) two.addNumber(series, 0, 1)
  expect(one.series).toEqual([first, second])
  expect([...one.seriesIndex.slice(0, 3)]).toEqual([0, 1, 0])
  expect(two.series).toEqual([second, first])
})

test("tags are canonical whatever their order", () => {
  expect(canonicalTags({ b: "2", a: '"' })).toBe(canonicalTags({ a: '"', b: "2" }))
  expect(JSON.parse(canonicalTags({ b: "2", a: '"' }))).toEqual({ a: '"', b: "2" })
  expect(canonicalTags({})).toBe("{}")
})

test("the cache gives one object for one identity, and stays bounded", () => {
  const cache = new SeriesCache(2)
  const first = cache.get("d", "p")
  expect(cache.get("d", "p")).toBe(first)
  expect(cache.get("d", "p", '{"a":"1"}')).not.toBe(first)
  cache.get("other", "p")
  const again = cache.get("d", "p")
  expect(again).not.toBe(first)
  expect(again.key).toBe(first.key)
})

test.each([
  ["", "empty"],
  ["a\u0000b", "control"],
  ["x".repeat(513), "longer"],
  ["\ud800", "well-formed"],
])("the name %j is refused", (name, why) => {
  expect(nameProblem(name)).toContain(why)
})

test("a name may have levels, spaces and any script", () => {
  expect(nameProblem("Halle B/Kühlraum 7/温度")).toBeUndefined()
})
