/**
 * Checks what somebody wrote against its kind: first what any document must be (bounded JSON), then the schema of the
 * whole, then what only the kind's owner can say. All mistakes are gathered.
 */
import { type DocumentKind, type DocumentMistake, type JsonSchema, type Logger, nearest } from "@brume/core"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { mistakesOf } from "./alternatives.ts"
import { type DocumentLimits, documentSchema, formKeyword, maxLevels } from "./envelope.ts"

/** Mistakes of one document that are told. */
const mostMistakes = 100

export interface Checker {
  mistakes(document: unknown): readonly DocumentMistake[]
  schema(kind: string): JsonSchema | undefined
}

export interface CheckerOptions {
  readonly kinds: readonly DocumentKind[]
  readonly logger: Logger
  readonly limits: DocumentLimits
}

export function createChecker({ kinds, logger, limits }: CheckerOptions): Checker {
  const byKind = new Map(kinds.map((kind) => [kind.kind, new CheckedKind(kind, logger)]))
  return {
    schema: (kind) => byKind.get(kind)?.schema,
    mistakes(document) {
      const odd = oddity(document, limits)
      if (odd !== undefined) return [odd]
      const { kind } = document as { readonly kind?: unknown }
      const checked = typeof kind === "string" ? byKind.get(kind) : undefined
      return checked === undefined ? [unknownKind(kind, [...byKind.keys()])] : checked.mistakes(document as object)
    },
  }
}

class CheckedKind {
  readonly schema: JsonSchema
  readonly #kind: DocumentKind
  readonly #logger: Logger
  #validate: ValidateFunction | undefined

  constructor(kind: DocumentKind, logger: Logger) {
    this.#kind = kind
    this.#logger = logger
    this.schema = documentSchema(kind)
  }

  mistakes(document: object): readonly DocumentMistake[] {
    // Compiling takes a few milliseconds, which a node without documents need not spend.
    this.#validate ??= compile(this.schema)
    const validate = this.#validate
    const found = validate(document) ? [] : mistakesOf(validate.errors ?? [], this.schema)
    validate.errors = null
    if (!found.some(({ path }) => /^spec\b/.test(path))) found.push(...this.#own(document))
    return found.slice(0, mostMistakes)
  }

  /** What the owner of the kind says of a spec that fits its schema. */
  #own(document: object): readonly DocumentMistake[] {
    const { spec, metadata } = document as { readonly spec?: unknown; readonly metadata?: { readonly name?: unknown } }
    if (spec === undefined) return []
    const { name } = metadata ?? {}
    try {
      return this.#kind.check(spec, typeof name === "string" ? name : "")
    } catch (error) {
      this.#logger.error("Checking a document failed", { kind: this.#kind.kind, name, error })
      return [{ path: "spec", problem: "cannot be checked: the node failed at it, and its log says why" }]
    }
  }
}

/** Throws when a kind's schema is itself wrong. */
function compile(schema: JsonSchema): ValidateFunction {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strictTypes: false,
    strictRequired: false,
    validateFormats: false,
    ownProperties: true,
  })
  ajv.addVocabulary([formKeyword])
  return ajv.compile(schema)
}

function unknownKind(kind: unknown, known: readonly string[]): DocumentMistake {
  if (kind === undefined) return { path: "kind", problem: `is missing; this node has ${known.join(", ") || "none"}` }
  const guess = typeof kind === "string" ? nearest(kind, known) : undefined
  const help = guess === undefined ? `; this node has ${known.join(", ") || "none"}` : `; did you mean ${guess}?`
  return { path: "kind", problem: `${JSON.stringify(kind).slice(0, 80)} is no kind of document${help}` }
}

/** What keeps a value from being a document at all; only what is left is walked through by schemas. */
function oddity(document: unknown, { maxDocumentBytes }: DocumentLimits): DocumentMistake | undefined {
  if (typeof document !== "object" || document === null || Array.isArray(document))
    return { path: "", problem: "must be an object with apiVersion, kind, metadata and spec" }
  // A value takes two bytes at least. What is built of the same parts again and again is stopped here, too.
  const wrong = wrongValue(document, { level: 0, left: { values: maxDocumentBytes / 2 } })
  if (wrong !== undefined) return { path: "", problem: wrong }
  const bytes = Buffer.byteLength(JSON.stringify(document))
  return bytes > maxDocumentBytes
    ? { path: "", problem: `has ${bytes} bytes as JSON; the limit is ${maxDocumentBytes}` }
    : undefined
}

interface Walk {
  readonly level: number
  readonly left: { values: number }
}

function wrongValue(value: unknown, { level, left }: Walk): string | undefined {
  if (level > maxLevels) return `is deeper than ${maxLevels} levels`
  if (--left.values < 0) return "has more values than the limit of its bytes allows"
  switch (typeof value) {
    case "string":
      return isWellFormed(value) ? undefined : "has a text that is not well-formed Unicode"
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : `has the number ${value}, which JSON cannot say`
    case "object":
      for (const [key, inner] of Object.entries(value ?? {})) {
        if (!isWellFormed(key)) return "has a key that is not well-formed Unicode"
        const wrong = wrongValue(inner, { level: level + 1, left })
        if (wrong !== undefined) return wrong
      }
      return undefined
    default:
      return `has a value that JSON cannot say (${typeof value})`
  }
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}
