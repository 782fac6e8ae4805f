/** A document as the API shows it: as it was written, with what the node says of it in `status`. */
import { documentApiVersion } from "@brume/core"
import { isoTime } from "./iso-time.ts"
import type { DocumentStatus, KeptDocument } from "./ports.ts"

export const writtenExample = {
  apiVersion: documentApiVersion,
  kind: "Rule",
  metadata: { name: "cold-room-too-warm", labels: { hall: "b" } },
  spec: {
    on: { device: "cold/+", property: "temperature" },
    when: "value > 8",
    actions: [{ alarm: { name: "cold-room-too-warm" } }],
  },
}

export const documentExample = {
  ...writtenExample,
  status: { generation: 2, created: "2025-01-01T00:00:00.000000Z", changed: "2025-01-02T00:00:00.000000Z" },
}

const status = {
  type: "object",
  description: "What the node says of it, with members of the room that acts on it. Passed over where it is applied.",
  properties: {
    generation: { type: "integer", description: "1 for the first, one more for each change." },
    created: { type: "string", format: "date-time" },
    changed: { type: "string", format: "date-time" },
    mistakes: {
      type: "array",
      description: "What keeps it from being in force since this node no longer takes it as it is.",
      items: {
        type: "object",
        required: ["path", "problem"],
        properties: { path: { type: "string" }, problem: { type: "string" } },
      },
    },
  },
} as const

export const keptDocument = {
  $id: "Document",
  type: "object",
  description: "Desired state that somebody wrote. The schema of its kind is at `/v1/schemas/{kind}`.",
  required: ["apiVersion", "kind", "metadata", "status"],
  properties: {
    apiVersion: { type: "string" },
    kind: { type: "string" },
    metadata: {
      type: "object",
      required: ["name"],
      properties: { name: { type: "string" }, labels: { type: "object", additionalProperties: { type: "string" } } },
    },
    spec: { description: "As its kind says; missing where what is stored cannot be read." },
    status,
  },
}

export const applied = {
  $id: "AppliedDocument",
  type: "object",
  required: ["change", "document"],
  properties: {
    change: { type: "string", enum: ["created", "changed", "unchanged"] },
    document: { $ref: "Document#" },
  },
}

type Shown = Readonly<Record<string, unknown>>

/** @param said by the owner of its kind. */
export function shownDocument(
  { kind, name, document, mistakes }: Omit<KeptDocument, "bytes">,
  said?: DocumentStatus,
): Shown {
  const wrong = mistakes.length === 0 ? {} : { mistakes }
  if (document === undefined) return { apiVersion: documentApiVersion, kind, metadata: { name }, status: wrong }
  const { generation, created, changed } = document.status
  const owner = mistakes.length === 0 ? said?.[kind]?.(name) : undefined
  const times = { created: isoTime(created), changed: isoTime(changed) }
  return { ...document, status: { ...owner, generation, ...times, ...wrong } }
}
