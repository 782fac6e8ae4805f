/**
 * The common conditions as closures of our own: comparisons of numbers and texts, arithmetic, `&&`, `||`, `!` and `?:`.
 * They give what CEL gives, some thirty times as fast; everything else is left to CEL.
 *
 * They may count on every variable that the expression names: nobody asks them where one is missing (E1 in expression.ts).
 */
import type { ASTNode } from "@marcbachmann/cel-js"
import { roundings, type Variables } from "./language.ts"

/** What closures read; `value` has a number wherever an expression names it. */
export interface Readable {
  readonly value: number | undefined
  readonly text: string | undefined
  readonly device: string
  readonly property: string
  readonly topic: string | undefined
}

type Test = (scope: Readable) => boolean
type Text = (scope: Readable) => string
type Value = (scope: Readable) => number

/** A number; `limit` where it is a constant, `isDouble` where CEL has it as a floating one. */
interface Quantity {
  readonly of: Value
  readonly limit: number | undefined
  readonly isDouble: boolean
}

/** Undefined where the expression has other parts. */
export function closureOf(node: ASTNode, variables: Variables): Test | undefined {
  switch (node.op) {
    case "&&": {
      const [a, b] = [closureOf(node.args[0], variables), closureOf(node.args[1], variables)]
      return a && b && ((scope) => a(scope) && b(scope))
    }
    case "||": {
      const [a, b] = [closureOf(node.args[0], variables), closureOf(node.args[1], variables)]
      return a && b && ((scope) => a(scope) || b(scope))
    }
    case "!_": {
      const a = closureOf(node.args, variables)
      return a && ((scope) => !a(scope))
    }
    case "?:": {
      const [test, yes, no] = node.args.map((part) => closureOf(part, variables))
      return test && yes && no && ((scope) => (test(scope) ? yes(scope) : no(scope)))
    }
    case "value":
      return typeof node.args === "boolean" ? constant(node.args) : undefined
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "==":
    case "!=":
      return numberTest(node.op, node.args, variables) ?? textTest(node.op, node.args, variables)
    default:
      return undefined
  }
}

const constant =
  <T>(value: T): (() => T) =>
  () =>
    value

type Comparison = "<" | "<=" | ">" | ">=" | "==" | "!="

function numberTest(operator: Comparison, args: readonly ASTNode[], variables: Variables): Test | undefined {
  const left = quantityOf(args[0]!, variables)
  const right = left && quantityOf(args[1]!, variables)
  if (left === undefined || right === undefined) return undefined
  // Two whole numbers are left to CEL: nobody compares constants often.
  if (!left.isDouble && !right.isDouble) return undefined
  const isValue = args[0]!.op === "id"
  return isValue && right.limit !== undefined ? limitTest(operator, right.limit) : compare(operator, left.of, right.of)
}

/** The most common one, without a call for either side. */
function limitTest(operator: Comparison, limit: number): Test {
  switch (operator) {
    case "<":
      return (scope) => scope.value! < limit
    case "<=":
      return (scope) => scope.value! <= limit
    case ">":
      return (scope) => scope.value! > limit
    case ">=":
      return (scope) => scope.value! >= limit
    case "==":
      return (scope) => scope.value === limit
    case "!=":
      return (scope) => scope.value !== limit
  }
}

function compare(operator: Comparison, a: Value, b: Value): Test {
  switch (operator) {
    case "<":
      return (scope) => a(scope) < b(scope)
    case "<=":
      return (scope) => a(scope) <= b(scope)
    case ">":
      return (scope) => a(scope) > b(scope)
    case ">=":
      return (scope) => a(scope) >= b(scope)
    case "==":
      return (scope) => a(scope) === b(scope)
    case "!=":
      return (scope) => a(scope) !== b(scope)
  }
}

function quantityOf(node: ASTNode, variables: Variables): Quantity | undefined {
  switch (node.op) {
    case "id":
      return node.args === "value" && variables.value === "double"
        ? { of: (scope) => scope.value!, limit: undefined, isDouble: true }
        : undefined
    case "value":
      return constantOf(node.args)
    case "-_": {
      const positive = quantityOf(node.args, variables)
      if (positive === undefined) return undefined
      const { of, limit, isDouble } = positive
      // A whole zero has no sign.
      if (limit !== undefined) return fixed(isDouble ? -limit : 0 - limit, isDouble)
      return { of: (scope) => -of(scope), limit: undefined, isDouble }
    }
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return arithmetic(node.op, node.args, variables)
    case "call": {
      const [name, given] = node.args
      const round = Object.hasOwn(roundings, name) ? roundings[name] : undefined
      const inner = round && given.length === 1 ? quantityOf(given[0]!, variables) : undefined
      return round && inner && { of: (scope) => round(inner.of(scope)), limit: undefined, isDouble: true }
    }
    default:
      return undefined
  }
}

/** At least one side is floating, so that CEL counts in floating numbers too. */
function arithmetic(
  operator: "+" | "-" | "*" | "/" | "%",
  args: readonly ASTNode[],
  variables: Variables,
): Quantity | undefined {
  const left = quantityOf(args[0]!, variables)
  const right = left && quantityOf(args[1]!, variables)
  if (left === undefined || right === undefined || !(left.isDouble || right.isDouble)) return undefined
  const [a, b] = [left.of, right.of]
  const of = (make: Value): Quantity => ({ of: make, limit: undefined, isDouble: true })
  switch (operator) {
    case "+":
      return of((scope) => a(scope) + b(scope))
    case "-":
      return of((scope) => a(scope) - b(scope))
    case "*":
      return of((scope) => a(scope) * b(scope))
    case "/":
      return of((scope) => a(scope) / b(scope))
    case "%":
      return of((scope) => a(scope) % b(scope))
  }
}

function constantOf(value: unknown): Quantity | undefined {
  if (typeof value === "number") return fixed(value, true)
  // A larger whole number may have no equal among floating ones.
  return typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER ? fixed(Number(value), false) : undefined
}

function fixed(limit: number, isDouble: boolean): Quantity {
  return { of: constant(limit), limit, isDouble }
}

function textTest(operator: Comparison, args: readonly ASTNode[], variables: Variables): Test | undefined {
  if (operator !== "==" && operator !== "!=") return undefined
  const a = textOf(args[0]!, variables)
  const b = textOf(args[1]!, variables)
  if (a === undefined || b === undefined) return undefined
  return operator === "==" ? (scope) => a(scope) === b(scope) : (scope) => a(scope) !== b(scope)
}

function textOf(node: ASTNode, variables: Variables): Text | undefined {
  if (node.op === "value" && typeof node.args === "string") return constant(node.args)
  if (node.op !== "id" || variables[node.args] !== "string") return undefined
  switch (node.args) {
    case "text":
      return (scope) => scope.text!
    case "device":
      return (scope) => scope.device
    case "property":
      return (scope) => scope.property
    case "topic":
      return (scope) => scope.topic!
    default:
      return undefined
  }
}
