/**
 * Expressions: compiled once, evaluated for each reading, message, window or hour.
 *
 * - E1 An expression is asked only where all that it names is there: one with `value` passes over texts, one with `text`
 *   over numbers. So a rule on `#` meets what it does not mean at no cost and with no error.
 * - E2 A condition that fails while it is evaluated says nothing; the failure is counted, and its text is kept.
 */
import type { Environment } from "@marcbachmann/cel-js"
import { closureOf, type Readable } from "./closure.ts"
import { costProblem, createLanguage, maxExpressionLength, type Variables } from "./language.ts"
import { plain } from "./plain.ts"

/** What an expression reads: variables by their names; one that is not there is undefined. */
export type Scope = object

export interface Condition {
  /** Undefined where it says nothing: something that it names is not there (E1), or it failed (E2). */
  holds(scope: Scope): boolean | undefined
  /** Variables that it names. */
  readonly names: ReadonlySet<string>
  /** How often it failed, and why last. */
  readonly failures: number
  readonly failure: string | undefined
  /** Whether it needs no CEL. */
  readonly isFast: boolean
}

export interface Formula {
  /** Throws an Error that says why it has no value. */
  value(scope: Scope): unknown
  readonly names: ReadonlySet<string>
}

/** Compiles expressions over the same variables. */
export class Expressions {
  readonly #variables: Variables
  readonly #language: Environment
  /** Those whose absence makes a condition say nothing (E1). */
  readonly #optional: ReadonlySet<string>

  constructor(variables: Variables, optional: readonly string[] = []) {
    this.#variables = variables
    this.#language = createLanguage(variables)
    this.#optional = new Set(optional)
  }

  /** The condition, or why it is none. */
  condition(source: string): Condition | string {
    const compiled = this.#compile(source)
    if (typeof compiled === "string") return compiled
    const { program, names, type } = compiled
    if (type !== "bool" && type !== "dyn") return `gives ${article(type)}, but a condition is true or false`
    const needed = [...names].filter((name) => this.#optional.has(name))
    const fast = closureOf(program.ast, this.#variables)
    return fast === undefined ? new CelCondition(program, names, needed) : new FastCondition(fast, names, needed)
  }

  /** The formula, or why it is none. */
  formula(source: string): Formula | string {
    const compiled = this.#compile(source)
    if (typeof compiled === "string") return compiled
    const { program, names } = compiled
    const { ast } = program
    // A bare variable needs no CEL, and its program no memory.
    if (ast.op === "id") return bareFormula(ast.args, names)
    return { names, value: (scope) => plain(program(scope as Record<string, unknown>)) }
  }

  #compile(source: string): Compiled | string {
    if (source.length > maxExpressionLength) return `is longer than ${maxExpressionLength} characters`
    try {
      const program = this.#language.parse(source)
      const names = new Set<string>()
      const problem = costProblem(program.ast, this.#variables, names)
      if (problem !== undefined) return problem
      const { valid, type, error } = program.check()
      if (!valid) return problemOf(error)
      return { program, names, type: type ?? "dyn" }
    } catch (error) {
      return problemOf(error)
    }
  }
}

type Program = ReturnType<Environment["parse"]>

interface Compiled {
  readonly program: Program
  readonly names: ReadonlySet<string>
  readonly type: string
}

function bareFormula(name: string, names: ReadonlySet<string>): Formula {
  return {
    names,
    value: (scope) => {
      const value = (scope as Record<string, unknown>)[name]
      if (value === undefined) throw new Error(`there is no ${name}`)
      return plain(value)
    },
  }
}

class FastCondition implements Condition {
  readonly names: ReadonlySet<string>
  readonly failures = 0
  readonly failure: string | undefined = undefined
  readonly isFast = true
  readonly holds: (scope: Scope) => boolean | undefined

  constructor(test: (scope: Readable) => boolean, names: ReadonlySet<string>, needed: readonly string[]) {
    this.names = names
    this.holds = guarded(test, needed) as (scope: Scope) => boolean | undefined
  }
}

/** E1. The usual cases without a loop. */
function guarded(
  test: (scope: Readable) => boolean,
  needed: readonly string[],
): (scope: Readable) => boolean | undefined {
  if (needed.length === 0) return test
  if (needed.length === 1 && needed[0] === "value")
    return (scope) => (scope.value === undefined ? undefined : test(scope))
  return (scope) => (hasAll(scope, needed) ? test(scope) : undefined)
}

class CelCondition implements Condition {
  readonly names: ReadonlySet<string>
  failures = 0
  failure: string | undefined = undefined
  readonly isFast = false
  readonly #program: Program
  readonly #needed: readonly string[]

  constructor(program: Program, names: ReadonlySet<string>, needed: readonly string[]) {
    this.#program = program
    this.names = names
    this.#needed = needed
  }

  holds(scope: Scope): boolean | undefined {
    if (!hasAll(scope, this.#needed)) return undefined
    try {
      const value: unknown = this.#program(scope as Record<string, unknown>)
      if (typeof value === "boolean") return value
      this.failure = "gives neither true nor false"
    } catch (error) {
      this.failure = firstLine(error)
    }
    this.failures++
    return undefined
  }
}

function hasAll(scope: object, names: readonly string[]): boolean {
  for (const name of names) if ((scope as Record<string, unknown>)[name] === undefined) return false
  return true
}

/** As it follows a path in a sentence. */
function problemOf(error: unknown): string {
  return `cannot be used: ${firstLine(error)}`
}

function firstLine(error: unknown): string {
  return String((error as Error | undefined)?.message ?? error).split("\n", 1)[0]!
}

const article = (type: string): string => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`)
