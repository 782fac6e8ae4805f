/**
 * The `select` of a window: SQL's aggregates with names, and arithmetic between them. It is parsed strictly: what is not
 * known here is a mistake that says what is.
 *
 *     select  := column { "," column }
 *     column  := sum "AS" name
 *     sum     := product { ("+" | "-") product }
 *     product := factor { ("*" | "/") factor }
 *     factor  := number | "-" factor | "(" sum ")" | name "(" arguments ")"
 */
import { type Aggregate, type Argument, type ColumnType, knownAggregates, typeOf } from "./aggregate.ts"
import { type Token, tokensOf } from "./select-tokens.ts"

/** Values of the aggregates in, the column's value out; undefined is SQL's NULL. */
export type Formula = (aggregates: readonly Value[]) => Value
export type Value = number | string | undefined

export interface SelectColumn {
  readonly name: string
  readonly type: ColumnType
  readonly formula: Formula
}

export interface Select {
  readonly aggregates: readonly Aggregate[]
  readonly columns: readonly SelectColumn[]
}

const maxColumns = 32
const maxDepth = 32

/** Names that windows give themselves. */
export const ownColumns = ["window_start", "window_end", "device", "property", "revision"] as const

/** Words that CEL keeps for itself, and what a window's result has for rules besides its columns. */
const reserved: ReadonlySet<string> = new Set([
  ...["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"],
  ...["let", "loop", "package", "namespace", "return", "var", "void", "while"],
  ...["timeUs", "previousSeen", "remembered", "isSameAs"],
])

/** The parsed text, or its first mistake as it follows the path in a sentence. */
export function parseSelect(source: string): Select | { readonly problem: string } {
  const tokens = tokensOf(source)
  if ("problem" in tokens) return tokens
  try {
    return new Parser(source, tokens).select()
  } catch (error) {
    if (error instanceof Mistake) return { problem: error.problem }
    throw error
  }
}

class Mistake extends Error {
  readonly problem: string

  constructor(problem: string) {
    super(problem)
    this.problem = problem
  }
}

interface Part {
  readonly type: ColumnType
  readonly formula: Formula
}

type Arithmetic = (a: number, b: number) => number

const arithmetic: Readonly<Record<string, Arithmetic>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
}

/** Away from zero at the half, as SQL rounds. */
const round: Arithmetic = (value, digits) => {
  const scale = 10 ** Math.trunc(digits)
  return (Math.sign(value) * Math.round(Math.abs(value) * scale)) / scale
}

const scalars: Readonly<Record<string, { readonly usage: string; readonly most: number; readonly apply: Arithmetic }>> =
  {
    abs: { usage: "abs(x)", most: 1, apply: (a) => Math.abs(a) },
    round: { usage: "round(x) or round(x, digits)", most: 2, apply: round },
    floor: { usage: "floor(x)", most: 1, apply: (a) => Math.floor(a) },
    ceil: { usage: "ceil(x)", most: 1, apply: (a) => Math.ceil(a) },
    sqrt: { usage: "sqrt(x)", most: 1, apply: (a) => Math.sqrt(a) },
  }

const usages = (): string =>
  [...Object.values(knownAggregates), ...Object.values(scalars)].map(({ usage }) => usage).join("; ")

class Parser {
  readonly #source: string
  readonly #tokens: readonly Token[]
  readonly #aggregates: Aggregate[] = []
  readonly #places = new Map<string, number>()
  #next = 0
  #depth = 0

  constructor(source: string, tokens: readonly Token[]) {
    this.#source = source
    this.#tokens = tokens
  }

  select(): Select {
    const columns: SelectColumn[] = []
    do {
      columns.push(this.#column(new Set(columns.map(({ name }) => name))))
      if (columns.length > maxColumns) throw new Mistake(`has more than ${maxColumns} columns`)
    } while (this.#accept(","))
    if (this.#peek().kind !== "end") throw new Mistake(`has ${this.#here()}, where a comma or the end belongs`)
    return { aggregates: this.#aggregates, columns }
  }

  #column(taken: ReadonlySet<string>): SelectColumn {
    const from = this.#peek().at
    const { type, formula } = this.#sum()
    const said = this.#source.slice(from, this.#peek().at).trim()
    if (!this.#accept("as")) {
      const isEnd = this.#peek().kind === "end" || this.#peek().text === ","
      throw new Mistake(
        isEnd ? `gives ${said} no name: write ${said} AS name` : `has ${this.#here()} behind ${said}, where AS belongs`,
      )
    }
    const { kind, written: name } = this.#take()
    if (kind !== "name") throw new Mistake(`has no name behind ${said} AS`)
    if ((ownColumns as readonly string[]).includes(name))
      throw new Mistake(`names a column ${name}, as windows do themselves`)
    if (reserved.has(name)) throw new Mistake(`names a column ${name}, which conditions keep for themselves`)
    if (taken.has(name)) throw new Mistake(`has two columns of the name ${name}`)
    return { name, type, formula }
  }

  #sum(): Part {
    if (++this.#depth > maxDepth) throw new Mistake(`is nested deeper than ${maxDepth} levels`)
    let part = this.#product()
    while (this.#peek().text === "+" || this.#peek().text === "-") part = this.#calculate(part, () => this.#product())
    this.#depth--
    return part
  }

  #product(): Part {
    let part = this.#factor()
    while (this.#peek().text === "*" || this.#peek().text === "/") part = this.#calculate(part, () => this.#factor())
    return part
  }

  #calculate(left: Part, other: () => Part): Part {
    const sign = this.#take().text
    return combined(arithmetic[sign]!, numeric(left, sign), numeric(other(), sign))
  }

  #factor(): Part {
    const { kind, text, written } = this.#peek()
    if (kind === "number") {
      this.#take()
      const value = Number(text)
      return { type: "double", formula: () => value }
    }
    if (this.#accept("-")) {
      if (++this.#depth > maxDepth) throw new Mistake(`is nested deeper than ${maxDepth} levels`)
      const part = numeric(this.#factor(), "-")
      this.#depth--
      return combined(arithmetic["*"]!, { type: "double", formula: () => -1 }, part)
    }
    if (this.#accept("(")) {
      const part = this.#sum()
      this.#expect(")")
      return part
    }
    if (kind !== "name") throw new Mistake(`has ${this.#here()}, where an aggregate belongs`)
    this.#take()
    if (!this.#accept("(")) {
      if (["value", "text", "time"].includes(text))
        throw new Mistake(`has ${written} without an aggregate around it, like avg(${written}) or last(${written})`)
      throw new Mistake(`has ${written}, which is no aggregate; known are ${usages()}`)
    }
    return Object.hasOwn(scalars, text) ? this.#scalar(text) : this.#aggregate(text, written)
  }

  #scalar(name: string): Part {
    const { most, usage, apply } = scalars[name]!
    const given = [numeric(this.#sum(), name)]
    while (this.#accept(",")) given.push(numeric(this.#sum(), name))
    this.#expect(")")
    if (given.length > most) throw new Mistake(`has ${name} with ${given.length} arguments, but it is ${usage}`)
    return combined(apply, given[0]!, given[1] ?? { type: "double", formula: () => 0 })
  }

  #aggregate(name: string, written: string): Part {
    const known = Object.hasOwn(knownAggregates, name) ? knownAggregates[name] : undefined
    if (known === undefined) throw new Mistake(`has ${written}(), which is not known; known are ${usages()}`)
    const given: Argument[] = []
    if (!this.#accept(")")) {
      do given.push(this.#argument(written, known.usage))
      while (this.#accept(","))
      if (!this.#accept(")")) throw new Mistake(`has ${this.#here()} in ${written}(), which is written ${known.usage}`)
    }
    const aggregate = known.make(given)
    if (aggregate === undefined) throw new Mistake(`has ${written}(${given.join(", ")}), but it is ${known.usage}`)
    const place = this.#placeOf(aggregate)
    return { type: typeOf(aggregate), formula: (values) => values[place] }
  }

  #argument(name: string, usage: string): Argument {
    const { kind, text, written } = this.#take()
    if (text === "*" || text === "value" || text === "text" || text === "time") return text
    if (kind === "number") return Number(text)
    throw new Mistake(`has ${written} in ${name}(), which is written ${usage}`)
  }

  /** The same aggregate twice is made once. */
  #placeOf(aggregate: Aggregate): number {
    const key = JSON.stringify(aggregate)
    let place = this.#places.get(key)
    if (place === undefined) {
      place = this.#aggregates.push(aggregate) - 1
      this.#places.set(key, place)
    }
    return place
  }

  #peek(): Token {
    return this.#tokens[this.#next]!
  }

  #take(): Token {
    const token = this.#peek()
    if (token.kind !== "end") this.#next++
    return token
  }

  #accept(text: string): boolean {
    if (this.#peek().text !== text || this.#peek().kind === "end") return false
    this.#next++
    return true
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw new Mistake(`has ${this.#here()}, where ${text} belongs`)
  }

  #here(): string {
    return this.#peek().written
  }
}

function numeric(part: Part, where: string): Part {
  if (part.type !== "double") throw new Mistake(`calculates with a ${part.type} at ${where}`)
  return part
}

/** What is no finite number is NULL. */
function combined(apply: Arithmetic, left: Part, right: Part): Part {
  const [a, b] = [left.formula, right.formula]
  const formula: Formula = (values) => {
    const [x, y] = [a(values), b(values)]
    if (typeof x !== "number" || typeof y !== "number") return undefined
    const result = apply(x, y)
    return Number.isFinite(result) ? result : undefined
  }
  return { type: "double", formula }
}
