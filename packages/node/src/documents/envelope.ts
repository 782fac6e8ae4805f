/**
 * What all documents have around their `spec`, as one JSON Schema for the whole of them: the node checks with it, and it
 * is published for editors.
 */
import { type DocumentKind, documentApiVersion, type JsonSchema } from "@brume/core"

/** Of a document, bytes of its JSON; of all together; and of how many. */
export interface DocumentLimits {
  readonly maxDocuments: number
  readonly maxDocumentBytes: number
  readonly maxTotalBytes: number
  /** In one `apply`. */
  readonly maxTogether: number
}

export const defaultDocumentLimits: DocumentLimits = {
  maxDocuments: 10_000,
  maxDocumentBytes: 262_144,
  maxTotalBytes: 67_108_864,
  maxTogether: 1_000,
}

/** Levels of objects and lists in a document. */
export const maxLevels = 32
/** Labels of one document. */
const maxLabels = 32

const nameForm = "1 to 63 lower-case letters, digits, - and ., beginning and ending with a letter or digit"
const labelForm = "1 to 63 letters, digits, ., _, - and /, beginning and ending with a letter or digit"

/** Says what fits, where a pattern alone would say nothing to people; editors pass over it. */
export const formKeyword = "x-form"

const metadata: JsonSchema = {
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: {
    name: {
      type: "string",
      pattern: "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
      [formKeyword]: nameForm,
      description: `Unique within its kind: ${nameForm}.`,
    },
    labels: {
      type: "object",
      description: `Words for people and for finding documents again: at most ${maxLabels}.`,
      maxProperties: maxLabels,
      propertyNames: { pattern: "^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$", [formKeyword]: labelForm },
      additionalProperties: {
        type: "string",
        maxLength: 256,
        pattern: "^[^\\u0000-\\u001f\\u007f]*$",
        [formKeyword]: "a text without control characters",
      },
    },
  },
}

/** The schema of a whole document of this kind. What `specSchema` has in `$defs` moves to the top, where `#/$defs/…` looks. */
export function documentSchema({ kind, summary, specSchema }: DocumentKind): JsonSchema {
  const { $defs, $schema: _schema, $id: _id, ...spec } = specSchema
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `https://brume.dev/schemas/${kind.toLowerCase()}.schema.json`,
    title: kind,
    description: summary,
    type: "object",
    additionalProperties: false,
    required: ["apiVersion", "kind", "metadata", "spec"],
    properties: {
      apiVersion: { const: documentApiVersion },
      kind: { const: kind },
      metadata,
      spec,
      status: {
        type: "object",
        readOnly: true,
        description: "What the node says of it; passed over where one applies it.",
      },
    },
    ...($defs === undefined ? {} : { $defs }),
  }
}
