import { SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import { lamp, lampKind } from "../../../../test/rig/document-kind.ts"
import { createChecker } from "./check.ts"
import { defaultDocumentLimits } from "./envelope.ts"

const logger = new SilentLogger()
const checker = createChecker({ kinds: [lampKind], logger, limits: defaultDocumentLimits })
const mistakes = (document: unknown) => checker.mistakes(document).map(({ path, problem }) => `${path} ${problem}`)
const specMistakes = (spec: object) => mistakes(lamp("a", spec))

test("what fits has no mistakes, also with what the node says of it", () => {
  expect(mistakes(lamp("hall.1-a", { for: "5m" }, { "team/owner": "Ärger & Co." }))).toEqual([])
  expect(mistakes({ ...lamp("a"), status: { generation: 3 } })).toEqual([])
})

test("all mistakes are told together, each with its path", () => {
  const document = {
    apiVersion: "brume.dev/v2",
    kind: "Lamp",
    metdata: {},
    metadata: { name: "Hall_1", labels: { "": "x", floor: 1, room: "a\nb" } },
    spec: { onn: {}, for: "five", every: "6m", brightness: 101, actions: [{}, { blink: { time: 3 } }] },
  }
  expect(mistakes(document).sort()).toEqual(
    [
      'apiVersion must be "brume.dev/v1"',
      "metdata is unknown here; did you mean metadata?",
      "metadata.name must be 1 to 63 lower-case letters, digits, - and ., beginning and ending with a letter or digit",
      'metadata.labels[""] must be 1 to 63 letters, digits, ., _, - and /, beginning and ending with a letter or digit',
      "metadata.labels.floor must be a text",
      "metadata.labels.room must be a text without control characters",
      "spec.on is missing",
      "spec.onn is unknown here; did you mean on?",
      "spec.for must be a duration like 5m",
      "spec.every must look like 6h",
      "spec.brightness must be at most 100",
      "spec.actions[0] must have one member of switch, blink",
      "spec.actions[0] must be exactly one of switch; blink",
      "spec.actions[1].blink.times is missing",
      "spec.actions[1].blink.time is unknown here; did you mean times?",
    ].sort(),
  )
})

test("of alternatives, the one that was meant is spoken of", () => {
  expect(specMistakes({ on: { topic: "" } })).toEqual(["spec.on.topic must not be empty"])
  expect(specMistakes({ on: { topic: "a", qos: 1 } })).toEqual(["spec.on.qos is unknown here; known are topic"])
  expect(specMistakes({ on: { device: "a", proprety: "b" } })).toEqual([
    "spec.on.property is missing",
    "spec.on.proprety is unknown here; did you mean property?",
  ])
  expect(specMistakes({ on: {} })).toEqual(["spec.on must be exactly one of topic; device with property"])
  expect(specMistakes({ on: { tpoic: "a" } })).toEqual([
    "spec.on.topic is missing",
    "spec.on.tpoic is unknown here; did you mean topic?",
  ])
  expect(specMistakes({ on: "a" })).toEqual(["spec.on must be an object"])
  expect(specMistakes({ actions: [{ switch: "a", blink: { times: 1 } }] })).toEqual([
    "spec.actions[0] must be only one of switch; blink",
  ])
})

test("a document without a known kind is told which there are", () => {
  expect(mistakes({ ...lamp("a"), kind: "lmap" })).toEqual(['kind "lmap" is no kind of document; did you mean Lamp?'])
  expect(mistakes({ ...lamp("a"), kind: "Toaster" })).toEqual([
    'kind "Toaster" is no kind of document; this node has Lamp',
  ])
  expect(mistakes({})).toEqual(["kind is missing; this node has Lamp"])
  expect(mistakes({ kind: ["Lamp"] })).toEqual(['kind ["Lamp"] is no kind of document; this node has Lamp'])
  expect(mistakes({ kind: "constructor" })).toHaveLength(1)
  expect(mistakes(null)).toEqual([" must be an object with apiVersion, kind, metadata and spec"])
  expect(mistakes([lamp("a")])).toHaveLength(1)
})

test("what only the owner of a kind sees is asked for once the schema fits, and a broken owner is no crash", () => {
  expect(specMistakes({ on: { topic: "nowhere" }, actions: [{ switch: "a" }] })).toEqual([
    "spec.on.topic is nowhere, where no lamp hangs",
  ])
  expect(mistakes({ ...lamp("a", { on: { topic: "nowhere" }, actions: [{ switch: "a" }] }), metadata: {} })).toEqual([
    "metadata.name is missing",
    "spec.on.topic is nowhere, where no lamp hangs",
  ])
  expect(specMistakes({ on: { topic: "fail" } })).toEqual([
    "spec cannot be checked: the node failed at it, and its log says why",
  ])
  expect(logger.entries.at(-1)).toMatchObject({ level: "error", message: "Checking a document failed" })
})

test("hostile values are stopped before any schema sees them", () => {
  let deep: object = {}
  for (let level = 0; level < 100_000; level++) deep = { deep }
  expect(specMistakes({ deep })).toEqual([" is deeper than 32 levels"])
  let wide: unknown = "x"
  for (let level = 0; level < 20; level++) wide = Array(10).fill(wide)
  expect(specMistakes({ wide })).toEqual([" has more values than the limit of its bytes allows"])
  const cycle: Record<string, unknown> = {}
  cycle["again"] = cycle
  expect(specMistakes(cycle)).toEqual([" is deeper than 32 levels"])
  expect(specMistakes({ brightness: Number.NaN })).toEqual([" has the number NaN, which JSON cannot say"])
  expect(specMistakes({ on: { topic: "\ud800" } })).toEqual([" has a text that is not well-formed Unicode"])
  expect(specMistakes({ on: { topic: "x".repeat(300_000) } })[0]).toMatch(/has \d+ bytes as JSON; the limit is 262144$/)
  const proto = JSON.parse('{"__proto__": {"topic": "a"}, "on": {"topic": "a"}, "constructor": 1}')
  expect(specMistakes(proto).map((line) => line.split(" ")[0])).toEqual(
    ["spec.constructor", "spec.__proto__"].reverse(),
  )
})

test("the published schema is of the whole document, and finds what a kind has in $defs", () => {
  expect(checker.schema("Lamp")).toMatchObject({
    $id: "https://brume.dev/schemas/lamp.schema.json",
    title: "Lamp",
    properties: { kind: { const: "Lamp" }, spec: { required: ["on"] } },
    $defs: { duration: {} },
  })
  expect(checker.schema("Lamp")?.properties).not.toHaveProperty("spec.$defs")
  expect(checker.schema("Toaster")).toBeUndefined()
})
