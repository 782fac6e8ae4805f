/** Templates: texts with `{{ CEL }}` in them, and JSON whose texts are templates. */
import type { Expressions, Formula, Scope } from "./expression.ts"

/** Characters that one filled template may have. */
const maxFilledLength = 65_536

export interface Template {
  /** Throws an Error that says why. */
  text(scope: Scope): string
  /** The value itself where the whole text is one expression. */
  value(scope: Scope): unknown
  readonly names: ReadonlySet<string>
}

/** The template, or why it is none. */
export function compileTemplate(source: string, expressions: Expressions): Template | string {
  const parts: (string | Formula)[] = []
  const names = new Set<string>()
  let at = 0
  for (;;) {
    const open = source.indexOf("{{", at)
    if (open < 0) break
    const close = source.indexOf("}}", open + 2)
    if (close < 0) return "has {{ without }}"
    const formula = expressions.formula(source.slice(open + 2, close).trim())
    if (typeof formula === "string") return `has ${source.slice(open, close + 2)}, which ${formula}`
    for (const name of formula.names) names.add(name)
    if (open > at) parts.push(source.slice(at, open))
    parts.push(formula)
    at = close + 2
  }
  if (at < source.length) parts.push(source.slice(at))
  const only = parts.length === 1 && typeof parts[0] !== "string" ? parts[0] : undefined
  const text = (scope: Scope): string => {
    let filled = ""
    for (const part of parts) filled += typeof part === "string" ? part : textOf(part.value(scope))
    if (filled.length > maxFilledLength) throw new Error(`is longer than ${maxFilledLength} characters`)
    return filled
  }
  return { names, text, value: (scope) => (only === undefined ? text(scope) : only.value(scope)) }
}

export interface JsonContext {
  readonly expressions: Expressions
  /** What templates read is added here. */
  readonly names: Set<string>
  /** @param at where, below the value: `.a[2]` */
  mistake(at: string, problem: string): void
}

/** Any JSON whose texts are templates; its keys are not. */
export function compileJson(source: unknown, context: JsonContext, at = ""): (scope: Scope) => unknown {
  if (typeof source === "string") {
    const template = compileTemplate(source, context.expressions)
    if (typeof template === "string") {
      context.mistake(at, template)
      return () => undefined
    }
    for (const name of template.names) context.names.add(name)
    return (scope) => template.value(scope)
  }
  if (Array.isArray(source)) {
    const items = source.map((item, index) => compileJson(item, context, `${at}[${index}]`))
    return (scope) => items.map((item) => item(scope))
  }
  if (typeof source === "object" && source !== null) {
    const members = Object.entries(source).map(
      ([key, value]) => [key, compileJson(value, context, `${at}.${key}`)] as const,
    )
    return (scope) => Object.fromEntries(members.map(([key, value]) => [key, value(scope)]))
  }
  return () => source
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value)
}
