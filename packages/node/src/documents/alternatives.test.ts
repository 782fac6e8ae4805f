import type { DocumentKind } from "@brume/core"
import { SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import { lamp, lampKind } from "../../../../test/rig/document-kind.ts"
import { createChecker } from "./check.ts"
import { defaultDocumentLimits } from "./envelope.ts"

const windows = {
  tumbling: { type: "object", additionalProperties: false, required: ["type", "size"], properties: {} },
  session: { type: "object", additionalProperties: false, required: ["type", "gap"], properties: {} },
}
Object.assign(windows.tumbling.properties, { type: { const: "tumbling" }, size: { type: "string" } })
Object.assign(windows.session.properties, { type: { const: "session" }, gap: { type: "string" } })

const kind: DocumentKind = {
  ...lampKind,
  specSchema: {
    type: "object",
    additionalProperties: false,
    properties: {
      on: {},
      window: { oneOf: [{ $ref: "#/$defs/tumbling" }, { $ref: "#/$defs/session" }] },
      windows: { type: "array", items: { anyOf: [{ $ref: "#/$defs/tumbling" }, { $ref: "#/$defs/session" }] } },
      value: { anyOf: [{ type: "string" }, { type: "number", minimum: 1 }] },
    },
    $defs: windows,
  },
}
const checker = createChecker({ kinds: [kind], logger: new SilentLogger(), limits: defaultDocumentLimits })
const mistakes = (spec: object) => checker.mistakes(lamp("a", spec)).map(({ path, problem }) => `${path} ${problem}`)

test("a constant member says which alternative is meant, also behind a reference", () => {
  expect(mistakes({ window: { type: "session", gap: "5m" } })).toEqual([])
  expect(mistakes({ window: { type: "session", gap: 5 } })).toEqual(["spec.window.gap must be a text"])
  expect(mistakes({ window: { type: "session", gpa: "5m" } })).toEqual([
    "spec.window.gap is missing",
    "spec.window.gpa is unknown here; did you mean gap?",
  ])
  expect(mistakes({ window: 5 })).toEqual([
    "spec.window must be exactly one of type: tumbling with size; type: session with gap",
  ])
})

test("items of a list do not answer for one another", () => {
  const good = { type: "session", gap: "1m" }
  const windows = [...Array(11).fill(good), { type: "tumbling", size: 1 }]
  windows[1] = { type: "session", gap: 1 }
  expect(mistakes({ windows })).toEqual(["spec.windows[1].gap must be a text", "spec.windows[11].size must be a text"])
})

test("of alternatives that are types, the fitting one is spoken of", () => {
  expect(mistakes({ value: 0 })).toEqual(["spec.value must be at least 1"])
  expect(mistakes({ value: true })).toEqual(["spec.value must be one of a text; a number"])
})
