/** Turns whatever a room logs into bounded, printable facts (G1, G4, G5). */
import { isFogError, Secret } from "@brume/core"

export type Fact = string | number | boolean | null | readonly Fact[] | { readonly [name: string]: Fact }

/** An error with everything that led to it, nearest first. */
export interface ErrorFact {
  readonly [name: string]: Fact
  readonly name: string
  readonly message: string
  readonly causes: readonly Fact[]
}

/** UTF-16 code units of one text. */
const longestText = 8_192
const longestList = 32
const deepest = 4
const mostCauses = 8

/** Later fields replace earlier ones. A field that throws while it is read says so (G5). */
export function plain(parts: readonly Readonly<Record<string, unknown>>[]): Record<string, Fact> {
  const facts: Record<string, Fact> = {}
  for (const fields of parts) {
    for (const name of Object.keys(fields)) {
      try {
        const value = fields[name]
        if (value !== undefined) facts[name] = factOf(value, 0)
      } catch {
        facts[name] = "unreadable"
      }
    }
  }
  return facts
}

export function isErrorFact(fact: Fact): fact is ErrorFact {
  return typeof fact === "object" && fact !== null && "causes" in fact && "message" in fact
}

/** Cuts what follows a token's id (`brume_<id>_…`), wherever it stands, and bounds the length. */
export function safeText(text: string): string {
  const bounded = text.length > longestText ? `${text.slice(0, longestText)}… (${text.length} characters)` : text
  return bounded.includes("brume_") ? bounded.replace(/(brume_[0-9a-z]+_)[\w-]+/g, "$1[secret]") : bounded
}

function factOf(value: unknown, depth: number): Fact {
  switch (typeof value) {
    case "string":
      return safeText(value)
    case "number":
      return Number.isFinite(value) ? value : String(value)
    case "boolean":
      return value
    case "object":
      return value === null ? null : factOfObject(value, depth)
    case "undefined":
      return null
    default:
      // bigint, symbol, function
      return safeText(String(value))
  }
}

function factOfObject(value: object, depth: number): Fact {
  if (value instanceof Secret) return value.toString()
  if (value instanceof Error) return factOfError(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString()
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`
  if (depth >= deepest) return "…"
  if (value instanceof Map || value instanceof Set) return listOf([...value], depth)
  if (Array.isArray(value)) return listOf(value, depth)
  const entries = Object.entries(value)
  const facts: Record<string, Fact> = {}
  for (const [name, item] of entries.slice(0, longestList)) facts[name] = factOf(item, depth + 1)
  if (entries.length > longestList) facts["…"] = `${entries.length - longestList} more`
  return facts
}

function listOf(items: readonly unknown[], depth: number): Fact[] {
  const facts = items.slice(0, longestList).map((item) => factOf(item, depth + 1))
  if (items.length > longestList) facts.push(`… ${items.length - longestList} more`)
  return facts
}

/** Each error of the chain once, also when it is a circle. */
function factOfError(error: Error): ErrorFact {
  const chain = new Set<unknown>([error])
  for (const link of chain) {
    if (!(link instanceof Error) || chain.size >= mostCauses) break
    if (link.cause !== undefined) chain.add(link.cause)
    if (link instanceof AggregateError) for (const part of link.errors) chain.add(part)
  }
  const [, ...causes] = [...chain].slice(0, mostCauses)
  const own = describe(error)
  return { ...own, name: error.name, message: safeText(error.message), causes: causes.map(describeCause) }
}

function describeCause(cause: unknown): Fact {
  return cause instanceof Error ? describe(cause) : factOf(cause, deepest - 1)
}

function describe(error: Error): Record<string, Fact> {
  const facts: Record<string, Fact> = { name: error.name, message: safeText(error.message) }
  const code: unknown = "code" in error ? error.code : undefined
  if (typeof code === "string") facts.code = code
  if (isFogError(error)) {
    if (error.hint !== undefined) facts.hint = safeText(error.hint)
    if (error.details !== undefined) facts.details = factOf(error.details, 1)
  } else if (code === undefined && error.stack !== undefined) {
    // Only faults of programs need their place; a full disk or a refused token does not.
    facts.stack = safeText(error.stack)
  }
  return facts
}
