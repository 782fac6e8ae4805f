/**
 * Documents: desired state that people write (rules, functions, …), and what a room says to own a kind of them.
 * Times are µs since 1970 UTC.
 */

export const documentApiVersion = "brume.dev/v1"

/** As people write it. */
export interface Document<Spec = unknown> {
  readonly apiVersion: typeof documentApiVersion
  /** `Rule`, `Function`, … */
  readonly kind: string
  readonly metadata: DocumentMetadata
  readonly spec: Spec
}

export interface DocumentMetadata {
  /** Lower-case letters, digits, `-` and `.`; unique within its kind. */
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
}

/** As it is in force. */
export interface StoredDocument<Spec = unknown> extends Document<Spec> {
  readonly status: {
    /** 1 for the first, one more for each change. */
    readonly generation: number
    readonly created: number
    readonly changed: number
  }
}

/** One thing that is wrong with a document. */
export interface DocumentMistake {
  /** Where, with dots and brackets: `spec.actions[0].webhook.url`; empty for the document itself. */
  readonly path: string
  /** What, as it follows the path in a sentence: `must be a duration like 5m`. */
  readonly problem: string
}

/** JSON Schema 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A kind of documents, as the room that acts on it describes it. */
export interface DocumentKind {
  /** `Rule` */
  readonly kind: string
  /** `rules`: what lists of it are called in the API and on the command line. */
  readonly plural: string
  /** One sentence for the reference. */
  readonly summary: string
  /** Of `spec`. Objects that say `additionalProperties: false` get "did you mean" for unknown keys. */
  readonly specSchema: JsonSchema
  /** What a schema cannot say, of a spec that fits it; paths begin with `spec`. Must not throw and must not change anything. */
  check(spec: unknown, name: string): readonly DocumentMistake[]
}

export interface AppliedDocument {
  readonly document: StoredDocument
  readonly change: "created" | "changed" | "unchanged"
}

export interface DocumentChange {
  readonly kind: string
  readonly name: string
  /** undefined when it was deleted. */
  readonly document: StoredDocument | undefined
}

/** The documents of a node. All is durable when a promise resolves. */
export interface Documents {
  readonly kinds: readonly DocumentKind[]
  /** Every mistake of what somebody wrote; none when it may be applied. Changes nothing. */
  mistakes(document: unknown): readonly DocumentMistake[]
  /** In the order given; nothing at all when any has mistakes. Throws `document_invalid` and what the store throws. */
  apply(documents: readonly unknown[]): Promise<readonly AppliedDocument[]>
  /** One that is in force. */
  get(kind: string, name: string): StoredDocument | undefined
  /** Those that are in force, by name: what the log holds and its kind no longer takes is not among them. */
  list(kind: string): readonly StoredDocument[]
  /** Throws `document_not_found`. */
  delete(kind: string, name: string): Promise<void>
  /** Called when a change is durable, in order. Must not throw. Returns the function that ends the subscription. */
  onChange(kind: string, listener: (change: DocumentChange) => void): () => void
}
