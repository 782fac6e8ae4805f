/**
 * Whether a user may run a statement.
 *
 * The text is looked at first ({@link scan}), parsed by DuckDB itself into a tree, and the tree is walked
 * ({@link walkStatement}). What was checked is what runs, so that no other reading of the text can slip through.
 */
import { FogError } from "@brume/core"
import { cleaned, invalid } from "../faults.ts"
import { positionAt } from "../position.ts"
import { scan } from "./scan.ts"
import { type Tree, treeOf, treesOf } from "./tree.ts"
import { walkStatement } from "./walk.ts"

export interface Checked {
  /** What to run. As long as the text that was given, up to its last word, so that positions fit both. */
  readonly sql: string
  /** How many parameters it takes: `$1` to `$n`, all of them. */
  readonly parameterCount: number
  /** Which of them are patterns of LIKE and the like, and how many wildcards each may have. */
  readonly patterns: ReadonlyMap<number, number>
}

/** @param serialize DuckDB's `json_serialize_sql` for a text. */
export type Check = (text: string, serialize: Serialize) => Promise<Checked>
type Serialize = (sql: string) => Promise<string>

/** Checked statements that are remembered. */
const cacheEntries = 512
/** Longest statement that is remembered, UTF-16 code units: a full cache holds 4 MB. */
const cachedLength = 4_096
/** Longest tree that is read, UTF-16 code units: 20 ms of this thread. */
const maxTreeLength = 4_000_000

export function createCheck(): Check {
  const cache = new Map<string, Checked>()
  return async (text, serialize) => {
    const known = cache.get(text)
    if (known !== undefined) {
      // The most recently used stand at the end.
      cache.delete(text)
      cache.set(text, known)
      return known
    }
    const checked = await checkText(text, serialize)
    if (text.length <= cachedLength) {
      cache.set(text, checked)
      if (cache.size > cacheEntries) cache.delete(cache.keys().next().value!)
    }
    return checked
  }
}

async function checkText(text: string, serialize: Serialize): Promise<Checked> {
  const { sql, select } = scan(text)
  const json = await serialize(select)
  if (json.length > maxTreeLength) {
    throw new FogError("query_refused", {
      message: "The statement is too large to be planned",
      hint: "Ask in several smaller statements.",
    })
  }
  const statement = onlyStatement(JSON.parse(json) as Tree, select)
  try {
    const { patterns } = walkStatement(treeOf(statement, "node") ?? {})
    const numbered = [...patterns].map(([name, limit]) => [Number(name), limit] as const)
    return { sql, parameterCount: parametersOf(statement), patterns: new Map(numbered) }
  } catch (error) {
    throw located(error, sql)
  }
}

function onlyStatement(answer: Tree, select: string): Tree {
  if (answer.error === true) throw parseFault(answer, select)
  const statements = treesOf(answer, "statements")
  if (statements.length === 1) return statements[0]!
  if (statements.length === 0) throw invalid("it is empty")
  throw new FogError("query_refused", {
    message: `The text holds ${statements.length} statements`,
    hint: "Send them one by one.",
  })
}

function parseFault({ error_type: type, error_message: message, position }: Tree, select: string): FogError {
  if (type === "not implemented") {
    const word = /^\s*\(*\s*(\w+)/.exec(select)?.[1]?.toUpperCase() ?? "this"
    return new FogError("query_refused", {
      message: `${word} is not offered: statements only read`,
      hint:
        word === "PIVOT"
          ? "Name the columns to be: PIVOT … ON device IN ('a', 'b') USING …"
          : "Write a SELECT over readings and latest; readings are written with POST /v1/readings.",
    })
  }
  const offset = typeof position === "string" ? Number(position) : undefined
  return invalid(cleaned(String(message)), offset === undefined ? undefined : positionAt(select, offset))
}

/** Every parameter is `$1`, `$2`, … or `?`, without gaps. */
function parametersOf(statement: Tree): number {
  const names = treesOf(statement, "named_param_map").map((entry) => String(entry.key))
  const wrong = names.find((name) => !/^[1-9]\d{0,3}$/.test(name))
  if (wrong !== undefined) {
    throw new FogError("query_invalid", {
      message: `The parameter $${wrong} has a name`,
      hint: "Parameters are numbered: $1, $2, … in the order of their values.",
    })
  }
  const highest = Math.max(0, ...names.map(Number))
  if (highest !== names.length) {
    throw new FogError("query_invalid", {
      message: `The statement uses $${highest}, but only ${names.length} of the parameters up to it`,
      hint: "Number the parameters from $1 without gaps.",
    })
  }
  return names.length
}

/** Says where in the text a refusal stands. */
function located(error: unknown, sql: string): unknown {
  if (!(error instanceof FogError) || typeof error.details?.offset !== "number") return error
  const { line, column } = positionAt(sql, error.details.offset)
  return new FogError(error.code, {
    message: `${error.message} (line ${line}, column ${column})`,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: { line, column },
  })
}
