import type { JsonSchema } from "@brume/core"
import type { Ambient } from "./ambient/ambient.ts"
import type { Config } from "./config/schema.ts"
import type { Node, NodeOptions } from "./node.ts"

/**
 * Opens a node. Loads its rooms only now: who resolves a configuration alone does without DuckDB and Fastify. Throws what
 * the rooms throw: `store_locked`, `store_not_found`, `store_version`, `store_full`, `disk_failed`, `listen_failed`.
 */
export async function openNode(config: Config, ambient?: Ambient, options?: NodeOptions): Promise<Node> {
  const rooms = await import("./node.ts")
  return rooms.openNode(config, ambient, options)
}

/** The JSON Schemas of all kinds of documents, by kind, as a node publishes them. Loads the rooms that own kinds. */
export async function documentSchemas(): Promise<ReadonlyMap<string, JsonSchema>> {
  const [{ documentKinds }, { documentSchema }] = await Promise.all([
    import("./document-kinds.ts"),
    import("./documents/envelope.ts"),
  ])
  return new Map(documentKinds.map((kind) => [kind.kind, documentSchema(kind)]))
}
