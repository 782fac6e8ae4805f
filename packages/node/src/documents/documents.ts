/**
 * Documents: desired state that people write. Other rooms own kinds of them and act on what is in force.
 *
 * - D1 A document is a record of kind `document`; it is in force, shown, and told to its kind's owner when it is durable.
 * - D2 What is applied together is one commit: all of it, or nothing when anything in it has a mistake.
 * - D3 Changes happen one after the other, so that each begins with what the one before has left; owners hear of them in
 *   that order.
 * - D4 A document that says what is in force already changes nothing, whatever the order of its keys.
 * - D5 What the log holds and its kind no longer takes (after an update, say) stops nothing: it is logged, kept, listed
 *   with its mistakes, and not in force until it is applied anew.
 * - D6 Documents are bounded in number, size, depth, and all together.
 */
import { isDeepStrictEqual } from "node:util"
import {
  type AppliedDocument,
  type Clock,
  type Document,
  type DocumentChange,
  type DocumentKind,
  type DocumentMistake,
  type Documents,
  FogError,
  type JsonSchema,
  type Logger,
  type Store,
  type StoredDocument,
} from "@brume/core"
import { type Checker, createChecker } from "./check.ts"
import { type DocumentLimits, defaultDocumentLimits } from "./envelope.ts"
import { documentKey, documentRecord, parseDocumentKey, readDocument } from "./record.ts"
import { type Candidate, invalid } from "./refusal.ts"
import { DocumentTable, type HeldDocument } from "./table.ts"

export interface DocumentsOptions {
  readonly store: Pick<Store, "put" | "entries">
  readonly clock: Clock
  readonly logger: Logger
  /** All kinds that this node knows: what the store holds of others is not in force. */
  readonly kinds: readonly DocumentKind[]
  /** @default defaultDocumentLimits */
  readonly limits?: Partial<DocumentLimits>
}

export interface OpenedDocuments extends Documents {
  /** What `apply` would do now; throws as it does, and changes nothing. */
  plan(documents: readonly unknown[]): readonly AppliedDocument[]
  /** Of a whole document, for editors. */
  schema(kind: string): JsonSchema | undefined
  /** With those that are not in force (D5). */
  held(kind: string, name: string): HeldDocument | undefined
  /** By kind and name; of all kinds without one. */
  allHeld(kind?: string): readonly HeldDocument[]
}

export function openDocuments(options: DocumentsOptions): OpenedDocuments {
  return new DocumentRoom(options)
}

class DocumentRoom implements OpenedDocuments {
  readonly kinds: readonly DocumentKind[]
  readonly #options: DocumentsOptions
  readonly #limits: DocumentLimits
  readonly #checker: Checker
  readonly #table = new DocumentTable()
  readonly #listeners = new Map<string, Set<(change: DocumentChange) => void>>()
  /** Ends when the last change that was asked for has. (D3) */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: DocumentsOptions) {
    this.#options = options
    this.kinds = options.kinds
    this.#limits = { ...defaultDocumentLimits, ...options.limits }
    this.#checker = createChecker({ ...options, limits: this.#limits })
    for (const [key, value] of options.store.entries("document")) this.#load(key, value)
  }

  mistakes(document: unknown): readonly DocumentMistake[] {
    return this.#checker.mistakes(document)
  }

  schema(kind: string): JsonSchema | undefined {
    return this.#checker.schema(kind)
  }

  get(kind: string, name: string): StoredDocument | undefined {
    const held = this.#table.get(kind, name)
    return held !== undefined && isInForce(held) ? held.document : undefined
  }

  list(kind: string): readonly StoredDocument[] {
    return this.#table
      .list(kind)
      .filter(isInForce)
      .map(({ document }) => document)
  }

  held(kind: string, name: string): HeldDocument | undefined {
    return this.#table.get(kind, name)
  }

  allHeld(kind?: string): readonly HeldDocument[] {
    return kind === undefined ? this.#table.kinds().flatMap((each) => this.#table.list(each)) : this.#table.list(kind)
  }

  plan(documents: readonly unknown[]): readonly AppliedDocument[] {
    return this.#plan(this.#checked(documents))
  }

  apply(documents: readonly unknown[]): Promise<readonly AppliedDocument[]> {
    return this.#inTurn(async () => {
      const applied = this.#plan(this.#checked(documents))
      const changes = applied.filter(({ change }) => change !== "unchanged").map(({ document }) => document)
      if (changes.length === 0) return applied
      const records = changes.map(documentRecord)
      await this.#options.store.put(records).durable
      for (const [index, document] of changes.entries()) this.#hold(document, records[index]!.value.length)
      for (const document of changes) this.#tell(document.kind, document.metadata.name, document)
      return applied
    })
  }

  delete(kind: string, name: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#table.get(kind, name) === undefined) throw notFound(kind, name)
      await this.#options.store.put([{ kind: "document", key: documentKey(kind, name), value: undefined }]).durable
      this.#table.delete(kind, name)
      this.#options.logger.info("A document was deleted", { kind, name })
      this.#tell(kind, name, undefined)
    })
  }

  onChange(kind: string, listener: (change: DocumentChange) => void): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set()
    this.#listeners.set(kind, listeners)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** D5 */
  #load(key: string, value: Uint8Array): void {
    const place = parseDocumentKey(key)
    if (place === undefined) return
    const document = readDocument(value)
    const mistakes = this.#mistakesOfRecord(place, document)
    this.#table.set({ ...place, document, mistakes, bytes: value.length })
    if (mistakes.length > 0)
      this.#options.logger.error("A stored document is not in force: it has mistakes", { ...place, mistakes })
  }

  #mistakesOfRecord(place: { kind: string; name: string }, document: StoredDocument | undefined) {
    if (document === undefined) return [{ path: "", problem: "cannot be read from the log" }]
    const { status: _status, ...written } = document
    if (document.kind !== place.kind || document.metadata?.name !== place.name)
      return [{ path: "", problem: `says that it is another one than ${place.kind} ${place.name}` }]
    return this.#checker.mistakes(written)
  }

  #hold(document: StoredDocument, bytes: number): void {
    const { kind, metadata, status } = document
    this.#table.set({ kind, name: metadata.name, document, mistakes: [], bytes })
    this.#options.logger.info("A document is in force", { kind, name: metadata.name, generation: status.generation })
  }

  #tell(kind: string, name: string, document: StoredDocument | undefined): void {
    for (const listener of [...(this.#listeners.get(kind) ?? [])]) {
      try {
        listener({ kind, name, document })
      } catch (error) {
        // The document is durable: whoever applied it must not hear that it failed.
        this.#options.logger.error("The owner of a document failed at its change", { kind, name, error })
      }
    }
  }

  /** Throws `document_invalid` with the mistakes of all of them. (D2) */
  #checked(documents: readonly unknown[]): readonly Document[] {
    const { maxTogether } = this.#limits
    if (documents.length > maxTogether)
      throw invalid([
        { document: documents[maxTogether], index: maxTogether, mistakes: [tooMany(maxTogether, documents.length)] },
      ])
    const places = new Set<string>()
    const candidates: Candidate[] = documents.map((document, index) => {
      const mistakes = [...this.#checker.mistakes(document)]
      if (mistakes.length === 0) {
        const { kind, metadata } = document as Document
        const place = documentKey(kind, metadata.name)
        if (places.has(place))
          mistakes.push({ path: "metadata.name", problem: `stands twice: ${kind} ${metadata.name}` })
        places.add(place)
      }
      return { document, index, mistakes }
    })
    if (candidates.some(({ mistakes }) => mistakes.length > 0)) throw invalid(candidates)
    return documents as readonly Document[]
  }

  /** What each of them changes. (D4, D6) */
  #plan(documents: readonly Document[]): readonly AppliedDocument[] {
    const { maxDocuments, maxTotalBytes } = this.#limits
    let { size, bytes } = this.#table
    return documents.map((document, index) => {
      const held = this.#table.get(document.kind, document.metadata.name)
      const planned = this.#planOne(document, held)
      size += held === undefined ? 1 : 0
      bytes += documentRecord(planned.document).value.length - (held?.bytes ?? 0)
      if (planned.change === "unchanged") return planned
      const problem =
        size > maxDocuments
          ? `would be document ${size} of this node; the limit is ${maxDocuments}`
          : bytes > maxTotalBytes
            ? `would make ${bytes} bytes of all documents; the limit is ${maxTotalBytes}`
            : undefined
      if (problem !== undefined) throw invalid([{ document, index, mistakes: [{ path: "", problem }] }])
      return planned
    })
  }

  #planOne(written: Document, held: HeldDocument | undefined): AppliedDocument {
    const document = own(written)
    const before = held?.document
    if (held !== undefined && isInForce(held) && isSame(held.document, document))
      return { document: held.document, change: "unchanged" }
    const now = this.#options.clock.now()
    const { generation = 0, created = now, changed = 0 } = before?.status ?? {}
    // The clock may have been set back.
    const status = { generation: generation + 1, created, changed: Math.max(now, changed) }
    return { document: { ...document, status }, change: held === undefined ? "created" : "changed" }
  }

  /** D3 */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#last.then(work)
    this.#last = mine.catch(() => {})
    return mine
  }
}

function isInForce(held: HeldDocument): held is HeldDocument & { readonly document: StoredDocument } {
  return held.document !== undefined && held.mistakes.length === 0
}

/** A copy that nobody else holds, without what only the node says. */
function own({ apiVersion, kind, metadata, spec }: Document): Document {
  const { name, labels = {} } = metadata
  const named = Object.keys(labels).length === 0 ? { name } : { name, labels }
  return JSON.parse(JSON.stringify({ apiVersion, kind, metadata: named, spec })) as Document
}

function isSame({ metadata, spec }: StoredDocument, other: Document): boolean {
  return isDeepStrictEqual({ metadata, spec }, { metadata: other.metadata, spec: other.spec })
}

function tooMany(limit: number, given: number): DocumentMistake {
  return { path: "", problem: `is one of ${given} that were applied together; the limit is ${limit}` }
}

function notFound(kind: string, name: string): FogError {
  return new FogError("document_not_found", {
    message: `There is no ${kind} ${JSON.stringify(name.slice(0, 80))}`,
    hint: "brume get documents lists what there is.",
  })
}
