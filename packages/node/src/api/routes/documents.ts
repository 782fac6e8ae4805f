/**
 * Documents: applied, shown, listed and deleted. A kind is named as in a document (`Rule`) or by its plural (`rules`).
 * Who applies a document makes the node act with all that the node may, which is why that takes an admin.
 */
import { type AppliedDocument, type Document, FogError, nearest } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import { decodeCursor, encodeCursor } from "../cursor.ts"
import { documentExample, shownDocument, writtenExample } from "../kept-document.ts"
import { bodyProblems, type Operation, storeProblems } from "../operation.ts"
import type { DocumentStatus, DocumentsPort, KeptDocument } from "../ports.ts"
import { numbered } from "../query-string.ts"

export interface DocumentRoutesOptions {
  readonly documents: DocumentsPort
  readonly documentStatus?: DocumentStatus
}

const defaultPage = 100
/** Bytes of documents after which a page ends. */
const pageBytes = 4_194_304

const reads = { tag: "documents", access: "read", wholeNode: true } as const
const changes = { tag: "documents", access: "admin", wholeNode: true } as const
const problems = ["document_invalid", ...bodyProblems, ...storeProblems] as const
const either = "JSON, or YAML as `application/yaml`."

const one = { "application/json": { schema: { $ref: "Document#" }, example: documentExample } }
const appliedOne = {
  "application/json": {
    schema: { $ref: "AppliedDocument#" },
    example: { change: "changed", document: documentExample },
  },
}

const page = {
  description: "A page of documents; `cursor` asks for the next one.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["documents"],
        properties: { documents: { type: "array", items: { $ref: "Document#" } }, cursor: { type: "string" } },
      },
      example: { documents: [documentExample] },
    },
  },
}

const put: Operation = {
  ...changes,
  id: "putDocument",
  summary: "Apply one document",
  description: `Creates or replaces it; durable when it answers. ${either}`,
  answers: {
    200: { description: "It was there, and is changed, or says what it said.", content: appliedOne },
    201: { description: "It was created.", content: appliedOne },
  },
  problems: ["document_not_found", ...problems],
}

const get: Operation = {
  ...reads,
  id: "getDocument",
  summary: "Show one document",
  answers: { 200: { description: "The document as it is kept.", content: one } },
  problems: ["document_not_found"],
}

const remove: Operation = {
  ...changes,
  id: "deleteDocument",
  summary: "Delete one document",
  answers: { 204: { description: "It is gone durably." } },
  problems: ["document_not_found", ...storeProblems],
}

const apply: Operation = {
  ...changes,
  id: "applyDocuments",
  summary: "Apply several documents",
  description: `One document or a list of them; all of them are applied in one commit, or none. ${either}`,
  answers: {
    200: {
      description: "What each was to the node, in the order given.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["documents"],
            properties: { documents: { type: "array", items: { $ref: "AppliedDocument#" } } },
          },
          example: { documents: [{ change: "changed", document: documentExample }] },
        },
      },
    },
  },
  problems,
}

const list: Operation = {
  ...reads,
  id: "listDocuments",
  summary: "List documents",
  description: "By kind and name; also those that are not in force any more, with their mistakes.",
  answers: { 200: page },
  problems: ["document_not_found"],
}

const schema: Operation = {
  tag: "documents",
  access: "public",
  id: "getDocumentSchema",
  summary: "The JSON Schema of a kind of documents",
  description: "Of the whole document, for editors: point yours at this address, or at a copy of it.",
  answers: {
    200: {
      description: "JSON Schema 2020-12.",
      content: {
        "application/schema+json": { schema: { type: "object" }, example: { title: "Rule", type: "object" } },
      },
    },
  },
  problems: ["document_not_found"],
}

const word = { type: "string", minLength: 1, maxLength: 200 } as const
const kindWord = { ...word, examples: [writtenExample.kind], description: "`Rule`, or its plural `rules`." } as const
const nameWord = { ...word, examples: [writtenExample.metadata.name] } as const
const placeParameters = {
  type: "object",
  required: ["kind", "name"],
  properties: { kind: kindWord, name: nameWord },
} as const
const kindParameter = { type: "object", required: ["kind"], properties: { kind: kindWord } } as const

const documentBody = { type: "object", examples: [writtenExample], description: "A document." } as const
const documentsBody = {
  type: ["object", "array"],
  examples: [[writtenExample]],
  description: "A document, or a list of them.",
} as const

const applyQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    "dry-run": { type: "string", enum: ["true", "false"], description: "Only check, and say what would change." },
  },
} as const

const paging = {
  limit: {
    type: "integer",
    minimum: 1,
    maximum: 1_000,
    default: defaultPage,
    description: "Documents in one answer.",
  },
  cursor: { type: "string", minLength: 1, maxLength: 400, description: "From the answer before." },
} as const
const pageQuery = { type: "object", additionalProperties: false, properties: paging } as const
const listQuery = {
  type: "object",
  additionalProperties: false,
  properties: { kind: { ...kindWord, description: "Only documents of this kind." }, ...paging },
} as const

export function addDocumentRoutes(app: FastifyInstance, options: DocumentRoutesOptions): void {
  addChanges(app, options)
  addLists(app, options)
  const { documents, documentStatus } = options
  app.route<{ Params: XStatic<typeof placeParameters> }>({
    method: "GET",
    url: "/v1/documents/:kind/:name",
    schema: { params: placeParameters },
    config: { operation: get },
    handler: (request, reply) => {
      const kind = kindOf(request.params.kind, documents)
      const kept = documents.held(kind, request.params.name)
      if (kept === undefined) throw notFound(kind, request.params.name)
      return reply.send(shownDocument(kept, documentStatus))
    },
  })
  app.route<{ Params: XStatic<typeof kindParameter> }>({
    method: "GET",
    url: "/v1/schemas/:kind",
    schema: { params: kindParameter },
    config: { operation: schema },
    handler: (request, reply) => {
      const kind = kindOf(request.params.kind, documents)
      const found = documents.schema(kind)
      if (found === undefined) throw unknownKind(request.params.kind, documents)
      return reply.type("application/schema+json; charset=utf-8").send(JSON.stringify(found))
    },
  })
}

function addChanges(app: FastifyInstance, { documents, documentStatus }: DocumentRoutesOptions): void {
  const shown = ({ change, document }: AppliedDocument) => {
    const { kind, metadata } = document
    return { change, document: shownDocument({ kind, name: metadata.name, document, mistakes: [] }, documentStatus) }
  }
  app.route<{ Params: XStatic<typeof placeParameters>; Body: Document }>({
    method: "PUT",
    url: "/v1/documents/:kind/:name",
    schema: { params: placeParameters, body: documentBody },
    config: { operation: put },
    handler: async (request, reply) => {
      const { kind, name } = request.params
      checkPlace(request.body, kindOf(kind, documents), name)
      const [applied] = await documents.apply([request.body])
      return await reply.code(applied!.change === "created" ? 201 : 200).send(shown(applied!))
    },
  })
  app.route<{ Querystring: XStatic<typeof applyQuery>; Body: object }>({
    method: "POST",
    url: "/v1/documents",
    schema: { querystring: applyQuery, body: documentsBody },
    config: { operation: apply },
    handler: async (request, reply) => {
      const given: readonly unknown[] = Array.isArray(request.body) ? request.body : [request.body]
      const isDryRun = request.query["dry-run"] === "true"
      const applied = isDryRun ? documents.plan(given) : await documents.apply(given)
      return await reply.send({ documents: applied.map(shown) })
    },
  })
  app.route<{ Params: XStatic<typeof placeParameters> }>({
    method: "DELETE",
    url: "/v1/documents/:kind/:name",
    schema: { params: placeParameters },
    config: { operation: remove },
    handler: async (request, reply) => {
      await documents.delete(kindOf(request.params.kind, documents), request.params.name)
      return await reply.code(204).send()
    },
  })
}

function addLists(app: FastifyInstance, { documents, documentStatus }: DocumentRoutesOptions): void {
  const pageOf = (kind: string | undefined, { limit = defaultPage, cursor }: { limit?: number; cursor?: string }) => {
    const after = cursor === undefined ? undefined : placeOf(decodeCursor(cursor))
    const rest = documents.allHeld(kind).filter((kept) => after === undefined || isBehind(kept, after))
    const shown = rest.slice(0, lengthOfPage(rest, limit))
    const last = shown.at(-1)
    return {
      documents: shown.map((kept) => shownDocument(kept, documentStatus)),
      ...(shown.length === rest.length || last === undefined
        ? {}
        : { cursor: encodeCursor(`${last.kind}/${last.name}`) }),
    }
  }
  app.route<{ Querystring: XStatic<typeof listQuery> }>({
    method: "GET",
    url: "/v1/documents",
    schema: { querystring: listQuery },
    config: { operation: list },
    preValidation: async (request) => numbered(request.query, ["limit"]),
    handler: (request, reply) => {
      const { kind, ...which } = request.query
      return reply.send(pageOf(kind === undefined ? undefined : kindOf(kind, documents), which))
    },
  })
  for (const { kind, plural } of documents.kinds) {
    // Functions are more than their documents: routes/functions.ts lists them.
    if (kind === "Function") continue
    app.route<{ Querystring: XStatic<typeof pageQuery> }>({
      method: "GET",
      url: `/v1/${plural}`,
      schema: { querystring: pageQuery },
      config: {
        operation: {
          ...reads,
          id: `list${plural.charAt(0).toUpperCase()}${plural.slice(1)}`,
          summary: `List ${plural}`,
          description: `The documents of the kind ${kind}, by name, with what the node says of each in \`status\`.`,
          answers: { 200: page },
        },
      },
      preValidation: async (request) => numbered(request.query, ["limit"]),
      handler: (request, reply) => reply.send(pageOf(kind, request.query)),
    })
  }
}

/** How many of them stand on a page: at most `limit`, and one at least. */
function lengthOfPage(kept: readonly KeptDocument[], limit: number): number {
  let bytes = 0
  let length = 0
  for (const document of kept) {
    bytes += document.bytes
    if (length === limit || (length > 0 && bytes > pageBytes)) break
    length++
  }
  return length
}

interface Place {
  readonly kind: string
  readonly name: string
}

function placeOf(cursor: string): Place {
  const at = cursor.indexOf("/")
  return { kind: cursor.slice(0, Math.max(0, at)), name: cursor.slice(at + 1) }
}

function isBehind({ kind, name }: KeptDocument, after: Place): boolean {
  return kind === after.kind ? name > after.name : kind > after.kind
}

/** The kind that a word of an address means. What the log holds of kinds that this node does not know has its own word. */
function kindOf(given: string, documents: DocumentsPort): string {
  const known = documents.kinds.find(
    ({ kind, plural }) => kind === given || plural === given || kind.toLowerCase() === given.toLowerCase(),
  )
  if (known !== undefined) return known.kind
  if (documents.allHeld(given).length > 0) return given
  throw unknownKind(given, documents)
}

function unknownKind(given: string, { kinds }: Pick<DocumentsPort, "kinds">): FogError {
  const guess = nearest(
    given,
    kinds.flatMap(({ kind, plural }) => [kind, plural]),
  )
  const known = kinds.map(({ kind }) => kind).join(", ") || "none"
  return new FogError("document_not_found", {
    message: `${JSON.stringify(given.slice(0, 80))} is no kind of document`,
    hint: guess === undefined ? `This node has ${known}.` : `Did you mean ${guess}?`,
  })
}

/** What a body says it is must be what its address says. */
function checkPlace(body: unknown, kind: string, name: string): void {
  const { kind: ownKind, metadata } = body as { readonly kind?: unknown; readonly metadata?: unknown }
  const { name: ownName } = (metadata ?? {}) as { readonly name?: unknown }
  const mistakes = [
    ...(typeof ownKind === "string" && ownKind !== kind ? [differs("kind", kind)] : []),
    ...(typeof ownName === "string" && ownName !== name ? [differs("metadata.name", name)] : []),
  ]
  if (mistakes.length === 0) return
  throw new FogError("document_invalid", {
    message: mistakes.map(({ path, problem }) => `${path} ${problem}`).join("; "),
    hint: "Send it to the address that its kind and name give, or POST it to /v1/documents.",
    details: { mistakes },
  })
}

function differs(path: string, wanted: string) {
  return { path, problem: `must be ${JSON.stringify(wanted)}, as the address says` }
}

function notFound(kind: string, name: string): FogError {
  return new FogError("document_not_found", {
    message: `There is no ${kind} ${JSON.stringify(name.slice(0, 80))}`,
    hint: `GET /v1/documents?kind=${kind} lists what there is.`,
  })
}
