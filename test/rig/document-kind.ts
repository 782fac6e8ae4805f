/** A kind of documents for tests: alternatives, patterns, `$defs`, and a mistake that only its owner sees. */
import type { DocumentKind } from "@brume/core"

interface LampSpec {
  readonly on: { readonly topic?: string }
  readonly actions?: readonly object[]
}

export const lampKind: DocumentKind = {
  kind: "Lamp",
  plural: "lamps",
  summary: "What a lamp does.",
  specSchema: {
    type: "object",
    additionalProperties: false,
    required: ["on"],
    properties: {
      on: {
        type: "object",
        oneOf: [
          {
            required: ["topic"],
            additionalProperties: false,
            properties: { topic: { type: "string", minLength: 1 } },
          },
          {
            required: ["device", "property"],
            additionalProperties: false,
            properties: { device: { type: "string" }, property: { type: "string" } },
          },
        ],
      },
      for: { $ref: "#/$defs/duration" },
      every: { type: "string", pattern: "^\\d+h$", examples: ["6h"] },
      colour: { enum: ["red", "green"] },
      brightness: { type: "integer", minimum: 0, maximum: 100 },
      actions: {
        type: "array",
        maxItems: 3,
        items: {
          type: "object",
          additionalProperties: false,
          minProperties: 1,
          properties: {
            switch: { type: "string" },
            blink: {
              type: "object",
              additionalProperties: false,
              required: ["times"],
              properties: { times: { type: "integer" } },
            },
          },
          oneOf: [{ required: ["switch"] }, { required: ["blink"] }],
        },
      },
    },
    $defs: { duration: { type: "string", pattern: "^\\d+[smh]$", "x-form": "a duration like 5m" } },
  },
  check(spec) {
    const { on, actions = [] } = spec as LampSpec
    if (on.topic === "fail") throw new Error("the check is broken")
    return on.topic === "nowhere" && actions.length > 0
      ? [{ path: "spec.on.topic", problem: "is nowhere, where no lamp hangs" }]
      : []
  },
}

/** A lamp that fits. */
export function lamp(name: string, spec: object = {}, labels?: Readonly<Record<string, string>>) {
  return {
    apiVersion: "brume.dev/v1",
    kind: "Lamp",
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    spec: { on: { topic: "hall/light" }, ...spec },
  }
}
