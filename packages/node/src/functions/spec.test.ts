import { Ajv2020 } from "ajv/dist/2020.js"
import fc from "fast-check"
import { expect, test } from "vitest"
import { timetables } from "../timetables.ts"
import { checkBundle } from "./bundle.ts"
import { createFunctionKind } from "./documents.ts"
import { checkDocument, checkSpec, isMistakes } from "./spec.ts"
import { functionSpecSchema } from "./spec-schema.ts"

const mistakesOf = (spec: unknown): string[] => {
  const checked = checkSpec(spec, timetables)
  return isMistakes(checked) ? checked.map(({ path, problem }) => `${path} ${problem}`) : []
}
const code = { runtime: "javascript", entry: "main.js" }

test("what is left out gets its default", () => {
  expect(checkSpec({ ...code, triggers: [{ schedule: "0 6 * * *" }, { device: "a/+" }] }, timetables)).toEqual({
    ...code,
    triggers: [
      { schedule: "0 6 * * *", timeZone: "UTC" },
      { device: "a/+", property: "#" },
    ],
    limits: { timeMs: 30_000, memoryMiB: 128, outputBytes: 1_048_576, concurrency: 16, instances: 1 },
    ...{ secrets: [], network: false, retries: 2 },
  })
})

test.each([
  ["no object", 7, "spec must be an object"],
  ["an unknown runtime", { runtime: "ruby", entry: "a" }, "spec.runtime must be one of typescript, javascript, python"],
  ["a way out of the folder", { ...code, entry: "../a.js" }, "spec.entry must be the path of a file below the"],
  ["an absolute entry", { ...code, entry: "/etc/passwd" }, "spec.entry must be the path of a file below the"],
  [
    "a key that does not exist",
    { ...code, trigers: [] },
    "spec.trigers is unknown; known are runtime, entry, triggers",
  ],
  [
    "a limit out of range",
    { ...code, limits: { memoryMiB: 1 } },
    "spec.limits.memoryMiB must be a whole number from 32",
  ],
  ["a limit that is no number", { ...code, limits: { timeMs: "1s" } }, "spec.limits.timeMs must be a whole number"],
  ["a malformed filter", { ...code, triggers: [{ topic: "a/#/b" }] }, "spec.triggers[0].topic has # elsewhere"],
  ["a trigger without a kind", { ...code, triggers: [{}] }, "spec.triggers[0] must have topic, device and property"],
  ["two kinds in one", { ...code, triggers: [{ topic: "a", http: "public" }] }, "spec.triggers[0].http is unknown"],
  ["an odd batch", { ...code, triggers: [{ topic: "a", batch: { size: 0 } }] }, "spec.triggers[0].batch.size must be"],
  ["no schedule", { ...code, triggers: [{ schedule: "often" }] }, "spec.triggers[0].schedule has 1 fields"],
  [
    "a schedule that never comes",
    { ...code, triggers: [{ schedule: "0 0 31 2 *" }] },
    "spec.triggers[0].schedule never comes: its months have at most 29 days, and it wants day 31",
  ],
  ["no time zone", { ...code, triggers: [{ schedule: "0 6 * * *", timeZone: "Mars" }] }, "has the time zone Mars"],
  ["an odd secret", { ...code, secrets: ["a b"] }, "spec.secrets[0] must be the name of a secret"],
])("%s is told with its path", (_what, spec, expected) => {
  expect(mistakesOf(spec).join("\n")).toContain(expected)
})

test("all mistakes of a document are told together", () => {
  const checked = checkDocument(
    { kind: "Fun", metadata: { name: "A", labels: { a: 1 } }, spec: {}, more: 1 },
    timetables,
  )
  expect(isMistakes(checked) && checked.map(({ path }) => path).sort()).toEqual([
    ...["apiVersion", "kind", "metadata.labels.a", "metadata.name", "more", "spec.entry", "spec.runtime"],
  ])
})

test("the published schema takes whatever is taken here, with and without its defaults", () => {
  const validate = new Ajv2020({ strict: false }).compile(functionSpecSchema)
  const batch = fc.record({ size: fc.integer({ min: -1, max: 1_100 }), waitMs: fc.integer({ min: 0, max: 61_000 }) })
  const trigger = fc.oneof(
    fc.record({ topic: fc.constantFrom("a/+", "a/#", "a#"), batch }, { requiredKeys: ["topic"] }),
    fc.record({ device: fc.constantFrom("+", ""), property: fc.constant("p"), batch }, { requiredKeys: ["device"] }),
    fc.record({ schedule: fc.constantFrom("0 6 * * *", "x"), timeZone: fc.constantFrom("UTC", "X") }),
    fc.record({ http: fc.constantFrom("token", "public", "all") }),
  )
  const spec = fc.record(
    {
      runtime: fc.constantFrom("javascript", "python", "ruby"),
      entry: fc.constantFrom("main.js", "../main.js", "a/b.py"),
      triggers: fc.array(trigger, { maxLength: 3 }),
      limits: fc.record({ timeMs: fc.integer({ min: 0, max: 1_000_000 }) }, { requiredKeys: [] }),
      secrets: fc.array(fc.constantFrom("a", "a b"), { maxLength: 2 }),
      network: fc.boolean(),
      retries: fc.integer({ min: -1, max: 12 }),
      other: fc.constant(1),
    },
    { requiredKeys: ["runtime", "entry"] },
  )
  let taken = 0
  fc.assert(
    fc.property(spec, (given) => {
      const checked = checkSpec(given, timetables)
      if (isMistakes(checked)) return
      taken++
      expect(validate(given), JSON.stringify(validate.errors)).toBe(true)
      expect(validate(checked), JSON.stringify(validate.errors)).toBe(true)
      // What was filled in means the same.
      expect(checkSpec(checked, timetables)).toEqual(checked)
    }),
    { numRuns: 2_000, seed: 1 },
  )
  expect(taken).toBeGreaterThan(20)
})

test("a bundle is named by its content, whatever the order of its files, and lacks nothing", () => {
  const spec = checkSpec({ runtime: "python", entry: "main.py" }, timetables)
  if (isMistakes(spec)) throw new Error("it is good")
  const one = checkBundle({ "main.py": "a", "b/c.py": "b" }, spec)
  const other = checkBundle({ "b/c.py": "b", "main.py": "a" }, spec)
  expect(one).toMatchObject({ name: (other as { name: string }).name, bytes: 28 })
  expect(checkBundle({ "b.py": "" }, spec)).toEqual([{ path: "files", problem: "lack main.py" }])
  for (const path of ["../a.py", "/a.py", "a//b.py", "a/./b.py", "", "a/", "ü.py"])
    expect(checkBundle({ "main.py": "", [path]: "" }, spec), path).toMatchObject([
      { path: expect.stringContaining("files[") },
    ])
  expect(checkBundle({ "main.py": 1 }, spec)).toMatchObject([{ problem: "must be a text" }])
  expect(checkBundle({ "main.py": "x".repeat(9_000_000) }, spec)).toMatchObject([{ path: "files" }])
  expect(checkBundle("main.py", spec)).toMatchObject([{ path: "files" }])
})

test("a document is judged by the code in force", () => {
  const spec = checkSpec(code, timetables)
  if (isMistakes(spec)) throw new Error("it is good")
  const kind = createFunctionKind(timetables, {
    documentOf: (name) => (name === "here" ? { name, spec } : undefined),
  })
  expect(kind.check(code, "here")).toEqual([])
  expect(kind.check(code, "away")).toMatchObject([
    { path: "metadata.name", problem: expect.stringContaining("no code") },
  ])
  expect(kind.check({ runtime: "python", entry: "main.js" }, "here")).toMatchObject([{ path: "spec.runtime" }])
  expect(kind.check(code, "Here.now")).toMatchObject([{ path: "metadata.name" }])
})
