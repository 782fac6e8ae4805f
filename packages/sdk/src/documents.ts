/** Documents of a node: desired state that people write. Reading them takes the scope `read`, changing them `admin`. */
import type { Document, DocumentMistake, JsonSchema } from "@brume/core"
import { foreignAnswer } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** A document as the node keeps it. Times are ISO 8601. */
export interface DocumentView<Spec = unknown> extends Document<Spec> {
  /** What the node says of it, with members of the room that acts on it. */
  readonly status: {
    /** 1 for the first, one more for each change; missing, as the times, where what is stored cannot be read. */
    readonly generation?: number
    readonly created?: string
    readonly changed?: string
    /** What keeps it from being in force since the node no longer takes it as it is. */
    readonly mistakes?: readonly DocumentMistake[]
    readonly [member: string]: unknown
  }
}

export interface AppliedDocumentView {
  readonly change: "created" | "changed" | "unchanged"
  readonly document: DocumentView
}

export interface DocumentListOptions {
  /** `Rule` or `rules`. @default all kinds */
  readonly kind?: string
  readonly signal?: AbortSignal
}

export interface ApplyDocumentOptions {
  /** Only check, and say what would change. @default false */
  readonly dryRun?: boolean
}

export interface DocumentRoom {
  /**
   * Creates or replaces documents, all of them in one commit or none; in the order given. Throws `document_invalid`, whose
   * `details.mistakes` names each mistake with its document and path.
   */
  apply(documents: object | readonly object[], options?: ApplyDocumentOptions): Promise<AppliedDocumentView[]>
  /** @param kind `Rule` or `rules`. Throws `document_not_found`. */
  get(kind: string, name: string): Promise<DocumentView>
  /** By kind and name; asks for further pages as you go on. */
  list(options?: DocumentListOptions): AsyncGenerator<DocumentView, void, undefined>
  /** Throws `document_not_found`. */
  delete(kind: string, name: string): Promise<void>
  /** JSON Schema of the whole document. Throws `document_not_found` for a kind that the node does not know. */
  schema(kind: string): Promise<JsonSchema>
}

const path = "v1/documents"

export function createDocuments(transport: Transport): DocumentRoom {
  const { base } = transport
  const listOf = (answer: unknown): { readonly documents: unknown[]; readonly cursor: unknown } => {
    const { documents, cursor } = expectObject(answer, base)
    if (!Array.isArray(documents)) throw foreignAnswer(base.href, "its answer has no documents")
    return { documents, cursor }
  }
  const at = (kind: string, name: string): string => `${path}/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`
  return {
    async apply(documents, { dryRun = false } = {}) {
      const answer = await transport.json({
        method: "POST",
        path,
        ...(dryRun ? { search: new URLSearchParams({ "dry-run": "true" }) } : {}),
        headers: { "content-type": "application/json" },
        body: JSON.stringify(documents),
        // A second time it says what is in force already. Only what it was to the first one is lost.
        isIdempotent: true,
      })
      return listOf(answer).documents as AppliedDocumentView[]
    },
    async get(kind, name) {
      const answer = await transport.json({ method: "GET", path: at(kind, name), isIdempotent: true })
      return expectObject(answer, base) as unknown as DocumentView
    },
    async *list({ kind, signal } = {}) {
      let cursor: string | undefined
      do {
        const search = new URLSearchParams({
          ...(kind === undefined ? {} : { kind }),
          ...(cursor === undefined ? {} : { cursor }),
        })
        const page = listOf(await transport.json({ method: "GET", path, search, isIdempotent: true, signal }))
        yield* page.documents as DocumentView[]
        cursor = typeof page.cursor === "string" ? page.cursor : undefined
      } while (cursor !== undefined)
    },
    async delete(kind, name) {
      await transport.json({ method: "DELETE", path: at(kind, name), isIdempotent: false })
    },
    async schema(kind) {
      const where = `v1/schemas/${encodeURIComponent(kind)}`
      return expectObject(await transport.json({ method: "GET", path: where, isIdempotent: true }), base)
    },
  }
}
