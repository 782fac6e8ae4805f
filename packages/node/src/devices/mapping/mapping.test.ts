import { type Principal, ReadingBatch, SeriesCache } from "@brume/core"
import { describe, expect, test } from "vitest"
import type { MappingSettings } from "./compile-mapping.ts"
import { createMapper } from "./mapping.ts"
import { type Trial, tryMapping } from "./trial.ts"

const receivedUs = Date.UTC(2026, 2, 1, 12) * 1000

const mapping = (given: Partial<MappingSettings> & { readonly topic: string }): MappingSettings => ({
  name: "m",
  device: undefined,
  property: undefined,
  payload: "auto",
  flatten: "objects",
  select: {},
  tags: {},
  multiply: 1,
  add: 0,
  ...given,
  time: { member: undefined, unit: "auto", zone: undefined, ...given.time },
})

interface Message {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly mappings?: readonly MappingSettings[]
  readonly contentType?: string
}

function trial({ topic, payload, mappings = [], contentType }: Message): Trial {
  return tryMapping({ mappings, topic, payload: Buffer.from(payload), contentType, receivedUs })
}

/** `device property value` of each reading, with its time where that is not the arrival. */
function shown(message: Message): string[] {
  const { readings, reason } = trial(message)
  if (reason !== undefined) return [reason]
  return readings.map(({ device, property, value, text, json, time, tags }) =>
    [
      device,
      property,
      json ?? (text === null ? String(value) : JSON.stringify(text)),
      ...(time === receivedUs ? [] : [new Date(time / 1000).toISOString()]),
      ...(tags === "{}" ? [] : [tags]),
    ].join(" "),
  )
}

const on = (topic: string, payload: string | Uint8Array) => shown({ topic, payload })

describe("topics below devices/", () => {
  test.each([
    ["devices/fridge-1/temperature", "4.2", ["fridge-1 temperature 4.2"]],
    ["devices/hall-b/room-7/temperature", "4.2", ["hall-b/room-7 temperature 4.2"]],
    ["devices/fridge-1", '{"temperature":4.2,"door":"open"}', ["fridge-1 temperature 4.2", 'fridge-1 door "open"']],
    ["devices/hall-b/room-7/", '{"temperature":4.2}', ["hall-b/room-7 temperature 4.2"]],
  ])("%s with %s", (topic, payload, readings) => {
    expect(on(topic, payload)).toEqual(readings)
  })

  test.each([
    "$SYS/broker/load",
    "$share/group/devices/a/b",
    "devices/fridge-1/commands",
    "devices/fridge-1/commands/defrost",
    "devices/hall-b/room-7/commands/x",
    "devices/fridge-1/set",
    "devices/fridge-1/temperature/set",
    "somewhere/else",
    "device/x",
    "devices",
  ])("%s is no reading", (topic) => {
    expect(createMapper({ mappings: [], series: new SeriesCache() }).resolve(topic)).toBeUndefined()
    expect(trial({ topic, payload: "1" }).reason).toMatch(/^Messages on .* are no readings: /)
  })

  test("reserved topics stay so whatever the mappings say", () => {
    const mappings = [mapping({ topic: "devices/{device}/#", property: "x" })]
    expect(shown({ topic: "devices/a/commands/b", payload: "1", mappings })[0]).toContain("is reserved for commands")
    expect(shown({ topic: "devices/a/b", payload: "1", mappings })).toEqual(["a x 1"])
  })

  test.each([
    ["devices/", "{}", "whose device"],
    ["devices//temperature", "4", 'whose device "" is empty'],
    [`devices/${"x".repeat(513)}/t`, "4", "is longer than 512 characters"],
    ["devices/a/\u0001", "4", "contains a control character"],
  ])("%.40j names nothing that a reading can have", (topic, payload, reason) => {
    expect(on(topic, payload)[0]).toContain(reason)
  })
})

describe("payloads of a property", () => {
  test.each([
    ["4.2", "4.2"],
    ["-1e3", "-1000"],
    [" 4.2\n", "4.2"],
    ["18446744073709551615", "18446744073709551615"],
    ["true", "true"],
    ["false\n", "false"],
    ["open", '"open"'],
    ["007", '"007"'],
    ["+5", '"+5"'],
    [".5", '".5"'],
    ["5.", '"5."'],
    ["1.5.2", '"1.5.2"'],
    [" open ", '" open "'],
    ["TRUE", '"TRUE"'],
    ['"21"', '"21"'],
    ["°C", '"°C"'],
    ["\ufeff4", "4"],
    ["[1,2]", "[1,2]"],
    ["[1,12345678901234567890]", "[1,12345678901234567890]"],
    ["{}", "{}"],
  ])("%j is %s", (payload, value) => {
    expect(on("devices/a/p", payload)).toEqual([`a p ${value}`])
  })

  test.each([
    ["NaN", "is NaN, which is no number that a reading can have"],
    ["-inf", "is -inf, which is no number"],
    ["1e999", "has a number that is too large for a double"],
    ['{"a":', "ends in the middle of its JSON (column 6)"],
    ['{"a":NaN}', "has NaN or Infinity, which JSON does not know (column 6)"],
    ["[1,2", "has its end where a comma or ] is expected"],
    ['"open', "has a text that never ends"],
    ["[".repeat(33) + "]".repeat(33), "is nested deeper than 32 levels"],
    ["x".repeat(65_537), "has 65537 characters, the limit is 65536"],
    [`{"a":"${"x".repeat(65_537)}"}`, 'has a text of 65537 characters for "p.a", the limit is 65536'],
    [`[${"1,".repeat(40_000)}1]`, 'characters of JSON for "p", the limit is 65536'],
    [`{"${"x".repeat(512)}":1}`, "which is longer than 512 characters"],
    [Uint8Array.of(0x6f, 0xff), "is not valid UTF-8"],
    [Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), "is not valid UTF-8"],
    ['{"a":"\\ud83d"}', "has an escape of half a surrogate pair"],
  ])("%.40j is refused", (payload, reason) => {
    expect(on("devices/a/p", payload)[0]).toContain(reason)
  })

  test("nothing measured is no reading and no mistake", () => {
    for (const payload of ["", "null", '{"a":null}'])
      expect(trial({ topic: "devices/a/p", payload }).readings).toEqual([])
    expect(on("devices/a/p", "")).toEqual(["The payload is empty, which clears a retained message"])
    expect(on("devices/a/p", "null")[0]).toContain("has nothing that was measured")
  })

  test("members of an object hang behind a dot; value is the property itself", () => {
    expect(on("devices/a/p", '{"value":4.2,"unit":"°C","raw":{"x":1,"list":[1,{"y":2}]}}')).toEqual([
      "a p 4.2",
      'a p.unit "°C"',
      "a p.raw.x 1",
      'a p.raw.list [1,{"y":2}]',
    ])
  })
})

describe("payloads of a device", () => {
  test("an array of objects is several payloads, each with its own time", () => {
    expect(on("devices/a", '[{"t":1,"ts":1772366400},{"t":2,"ts":1772366401}]')).toEqual([
      "a t 1",
      "a t 2 2026-03-01T12:00:01.000Z",
    ])
    expect(on("devices/a", '[{"t":1},5]')).toEqual(["The payload has a number that is no object (at [1])"])
  })

  test.each([
    ["4.2", "is a number, but a topic without a property takes an object of properties"],
    ["open", 'is "open", but a topic without a property takes a JSON object'],
    ["true", "is a boolean, but a topic without a property"],
    ['{"":1}', 'has a member for the property "", which is empty'],
    ['{"a":1,"b\\u0001":2}', "which contains a control character"],
  ])("%s is refused", (payload, reason) => {
    expect(on("devices/a", payload)[0]).toContain(reason)
  })

  test("a refused payload leaves the batch as it was", () => {
    const reader = createMapper({ mappings: [], series: new SeriesCache() }).resolve("devices/a")!
    const batch = new ReadingBatch()
    const add = (payload: string) => reader.add(batch, Buffer.from(payload), 0, Buffer.byteLength(payload), receivedUs)
    expect(add('{"x":1,"y":2}')).toBe(2)
    expect(add('{"x":1,"y":2,"z":1e999}')).toEqual({ reason: expect.stringContaining("too large") })
    expect(add('{"new":1,"":2}')).toEqual({ reason: expect.stringContaining("is empty") })
    expect([batch.length, batch.series.map(({ property }) => property)]).toEqual([2, ["x", "y"]])
  })

  test("a payload is read between its two places", () => {
    const reader = createMapper({ mappings: [], series: new SeriesCache() })
    const bytes = Buffer.from('{"x":1}}4.25.5')
    const batch = new ReadingBatch()
    expect(reader.resolve("devices/a")!.add(batch, bytes, 0, 7, receivedUs)).toBe(1)
    expect(reader.resolve("devices/a/p")!.add(batch, bytes, 8, 11, receivedUs)).toBe(1)
    expect([...batch.value.subarray(0, 2)]).toEqual([1, 4.2])
    // Twice, because the second time the keys are known.
    for (const end of [6, 8, 6, 8]) {
      const added = reader.resolve("devices/a")!.add(batch, bytes, 0, end, receivedUs)
      expect(added).toEqual({ reason: expect.stringMatching(/^has /) })
    }
  })
})

describe("a time among the members", () => {
  const time = (member: string, payload: string, rule: Partial<MappingSettings["time"]> = {}) => {
    const mappings = [mapping({ topic: "m/{device}", time: { member, unit: "auto", zone: undefined, ...rule } })]
    return shown({ topic: "m/a", payload, mappings }).at(-1)
  }
  test.each([
    ['{"t":1,"time":"2026-03-01T13:00:01.5+01:00"}', "2026-03-01T12:00:01.500Z"],
    ['{"t":1,"time":1772366401.5}', "2026-03-01T12:00:01.500Z"],
    ['{"timestamp":1772366401500,"t":1}', "2026-03-01T12:00:01.500Z"],
    ['{"t":1,"ts":1772366401500000}', "2026-03-01T12:00:01.500Z"],
    ['{"t":1,"ts":1772366401500000999}', "2026-03-01T12:00:01.500Z"],
    ['{"t":1,"ts":12}', "1970-01-01T00:00:12.000Z"],
    ['{"t":1,"time":null,"ts":12}', "1970-01-01T00:00:12.000Z"],
  ])("%s is at %s", (payload, at) => {
    expect(on("devices/a", payload)).toEqual([`a t 1 ${at}`])
    expect(on("devices/a/p", payload)).toEqual([`a p.t 1 ${at}`])
  })

  test("the first of time, timestamp and ts is it, another is a property", () => {
    expect(on("devices/a", '{"ts":5,"time":1772366401}')).toEqual(["a ts 5 2026-03-01T12:00:01.000Z"])
  })

  test.each([
    ['{"t":1,"time":"2026-03-01T12:00:00"}', 'has the time "time", which "2026-03-01T12:00:00" is no ISO 8601 time'],
    ['{"t":1,"time":"soon"}', "is no ISO 8601 time with a zone"],
    ['{"t":1,"ts":1e30}', '"1e+30" is beyond the years 1684 to 2255'],
    ['{"t":1,"ts":true}', 'has the time "ts", which is no time, but true'],
  ])("%s is refused", (payload, reason) => {
    expect(on("devices/a", payload)[0]).toContain(reason)
  })

  test("a mapping declares member, unit and the zone of texts without one", () => {
    const at = (payload: string, rule: Partial<MappingSettings["time"]>) => time("Time", payload, rule)
    expect(at('{"t":1,"Time":"2026-03-01T13:00:01"}', { unit: "iso", zone: "+01:00" })).toBe(
      "a t 1 2026-03-01T12:00:01.000Z",
    )
    expect(at('{"t":1,"Time":5}', { unit: "ms" })).toBe("a t 1 1970-01-01T00:00:00.005Z")
    expect(at('{"t":1,"Time":5000}', { unit: "us" })).toBe("a t 1 1970-01-01T00:00:00.005Z")
    expect(at('{"t":1,"Time":5000000}', { unit: "ns" })).toBe("a t 1 1970-01-01T00:00:00.005Z")
    expect(at('{"t":1,"Time":5}', { unit: "iso" })).toContain("is a number, but the mapping expects an ISO 8601 text")
    expect(at('{"t":1,"Time":"5"}', { unit: "s" })).toContain("is a text, but the mapping expects a number of s")
    expect(at('{"t":1,"Time":1772366401500}', { unit: "s" })).toContain("beyond the years 1684 to 2255 when it is read")
    expect(at('{"Time":5}', { unit: "none" })).toBe("a Time 5")
  })
})

describe("mappings", () => {
  test("the first that fits wins, none means no readings", () => {
    const mappings = [
      mapping({ name: "quiet", topic: "plant/+/debug", payload: "none" }),
      mapping({
        name: "first",
        topic: "plant/{line}/{device}",
        tags: { line: "line {line}" },
        device: "{line}/{device}",
      }),
      mapping({ name: "second", topic: "plant/{rest}", device: "{rest}", property: "x" }),
    ]
    expect(shown({ topic: "plant/7/press", payload: '{"t":1}', mappings })).toEqual(['7/press t 1 {"line":"line 7"}'])
    expect(shown({ topic: "plant/7/press/extra", payload: "1", mappings })).toEqual(["7/press/extra x 1"])
    expect(shown({ topic: "plant/7/debug", payload: "1", mappings })[0]).toContain("the mapping quiet says")
    expect(trial({ topic: "plant/7/press", payload: "{}", mappings }).mapping).toBe("first")
    expect(shown({ topic: "plant", payload: "1", mappings })[0]).toContain('whose device "" is empty')
  })

  test.each([
    ["number", " +21.50 ", "a p 21.5"],
    ["number", "007", "a p 7"],
    ["number", ".5", "a p 0.5"],
    ["number", "-5.", "a p -5"],
    ["number", "18446744073709551615", "a p 18446744073709551615"],
    ["number", "open", 'The payload is "open", which is no number'],
    ["number", ".", 'The payload is ".", which is no number'],
    ["number", '{"a":1}', 'The payload is "{\\"a\\":1}", which is no number'],
    ["boolean", "ON", "a p true"],
    ["boolean", "0\n", "a p false"],
    ["boolean", "maybe", 'The payload is "maybe", which is no boolean (true, false, on, off, yes, no, 1, 0)'],
    ["text", "4.2", 'a p "4.2"'],
    ["text", '{"a":1}', 'a p "{\\"a\\":1}"'],
    ["json", "4.2", "a p 4.2"],
    ["json", "open", 'The payload has "o" where a JSON value is expected (column 1)'],
  ] as const)("payload: %s takes %j", (payload, given, result) => {
    const mappings = [mapping({ topic: "t/{device}/{property}", payload })]
    expect(shown({ topic: "t/a/p", payload: given, mappings })).toEqual([result])
  })

  test("flatten goes by index into arrays, or not even into objects", () => {
    const payload = '{"a":{"b":[1,{"c":2}]},"e":[]}'
    const flatten = (flatten: MappingSettings["flatten"], property?: string) =>
      shown({ topic: "t/d", payload, mappings: [mapping({ topic: "t/{device}", flatten, property })] })
    expect(flatten("objects")).toEqual(['d a.b [1,{"c":2}]', "d e []"])
    expect(flatten("all")).toEqual(["d a.b.0 1", "d a.b.1.c 2", "d e []"])
    expect(flatten("none")).toEqual(['d a {"b":[1,{"c":2}]}', "d e []"])
    expect(flatten("none", "p")).toEqual([`d p ${payload}`])
  })

  test("select takes members by their pointers and nothing else", () => {
    const select = { "/E/Power": "power", "/E/Phases/1": "l2", "/a~1b": "ab", "/missing/x": "x", "/flat": "flat" }
    const mappings = [mapping({ topic: "t/{device}", select })]
    const payload = '{"E":{"Power":5,"Total":9,"Phases":[1,2]},"a/b":3,"flat":7,"ts":1772366401}'
    const at = "2026-03-01T12:00:01.000Z"
    expect(shown({ topic: "t/d", payload, mappings })).toEqual([
      `d power 5 ${at}`,
      `d l2 2 ${at}`,
      `d ab 3 ${at}`,
      `d flat 7 ${at}`,
    ])
    expect(shown({ topic: "t/d", payload: "[]", mappings })[0]).toContain("nothing that was measured")
    expect(shown({ topic: "t/d", payload: "4", mappings })[0]).toContain("the mapping selects members of an object")
  })

  test("numbers are multiplied, then added to; everything else stays", () => {
    const mappings = [mapping({ topic: "t/{device}/{property}", multiply: 0.1, add: -40 })]
    expect(shown({ topic: "t/a/p", payload: "650", mappings })).toEqual(["a p 25"])
    expect(shown({ topic: "t/a/p", payload: '{"x":650,"y":"650","z":true}', mappings })).toEqual([
      "a p.x 25",
      'a p.y "650"',
      "a p.z true",
    ])
    expect(shown({ topic: "t/a/p", payload: "12345678901234567890", mappings })).toEqual(["a p 1234567890123456800"])
    const huge = [mapping({ topic: "t/{device}/{property}", multiply: 1e300 })]
    expect(shown({ topic: "t/a/p", payload: "1e300", mappings: huge })[0]).toContain("too large once it is scaled")
  })
})

describe("SenML", () => {
  const pack =
    '[{"bn":"urn:dev:mac:0024befffe804ff1:","bt":1772366401,"n":"t","u":"Cel","v":21.5},{"n":"on","vb":true}]'
  test("comes by content type or mapping, and names devices itself", () => {
    const readings = [
      'urn:dev:mac:0024befffe804ff1 t 21.5 2026-03-01T12:00:01.000Z {"unit":"Cel"}',
      "urn:dev:mac:0024befffe804ff1 on true 2026-03-01T12:00:01.000Z",
    ]
    const contentType = "application/senml+json; charset=utf-8"
    expect(shown({ topic: "devices/gw", payload: pack, contentType })).toEqual(readings)
    const mappings = [mapping({ topic: "senml/#", payload: "senml" })]
    expect(shown({ topic: "senml/x", payload: pack, mappings })).toEqual(readings)
  })

  test("takes tags and scale of its mapping", () => {
    const tags = { source: "{gw}", unit: "?" }
    const mappings = [mapping({ topic: "senml/{gw}", payload: "senml", tags, multiply: 2 })]
    const payload = '[{"bn":"a/","n":"t","u":"Cel","v":1},{"n":"big","v":12345678901234567890},{"n":"s","vs":"1"}]'
    expect(shown({ topic: "senml/g", payload, mappings })).toEqual([
      'a t 2 {"source":"g","unit":"Cel"}',
      'a big 24691357802469134000 {"source":"g","unit":"?"}',
      'a s "1" {"source":"g","unit":"?"}',
    ])
    const long = [mapping({ topic: "senml/#", payload: "senml", tags: { x: "x".repeat(8_180) } })]
    expect(shown({ topic: "senml/g", payload, mappings: long })[0]).toContain("has tags of more than 8192 characters")
  })

  test("without a base name it is of the topic's device", () => {
    const contentType = "application/senml+json"
    const on = (topic: string, payload: string) => shown({ topic, payload, contentType })
    expect(on("devices/hall-b/gw/", '[{"n":"t","v":1}]')).toEqual(["hall-b/gw t 1"])
    expect(on("devices/gw/t", '[{"v":1}]')).toEqual(["gw t 1"])
    expect(on("devices/gw/t", '[{"v":1,"vs":"x"}]')[0]).toContain("more than one of v, vs, vb and vd")
    expect(on("devices/gw/t", "5")[0]).toContain("The payload is refused as SenML")
  })
})

test("a principal that is limited to some devices adds readings of no others", () => {
  const principal: Principal = { tokenId: "1", name: "gw", scopes: ["write"], devices: ["a"] }
  const mapper = createMapper({ mappings: [], series: new SeriesCache() })
  const batch = new ReadingBatch()
  const add = (topic: string, payload: string, contentType?: string) =>
    mapper.resolve(topic, contentType)!.add(batch, Buffer.from(payload), 0, payload.length, receivedUs, principal)
  expect(mapper.resolve("devices/b")?.device).toBe("b")
  expect(mapper.resolve("devices/b", "application/senml+json")?.device).toBeUndefined()
  expect([add("devices/a/p", "1"), add("devices/a", '{"p":2}')]).toEqual([1, 1])
  const refused = { reason: 'has a reading of "b", which the token gw may not write' }
  expect(add("devices/b/p", "1")).toEqual(refused)
  expect(add("devices/b", '{"p":2}')).toEqual(refused)
  expect(add("devices/a", '[{"n":"p","v":2},{"bn":"b/","n":"p","v":1}]', "application/senml+json")).toEqual(refused)
  expect(add("devices/a", '[{"n":"p","v":2}]', "application/senml+json")).toBe(1)
  expect(batch.length).toBe(3)
})
