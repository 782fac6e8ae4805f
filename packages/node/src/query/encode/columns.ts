import { type DuckDBResult, type DuckDBType, ResultReturnType } from "@duckdb/node-api"
import { isJson } from "./shape.ts"

/** A column of a result. */
export interface Column {
  /** Unique among the columns of the result. */
  readonly name: string
  readonly type: DuckDBType
  /** DuckDB's name of the type, e.g. `DECIMAL(10,2)`. */
  readonly typeName: string
}

export function columnsOf(result: DuckDBResult): Column[] {
  const types = result.columnTypes()
  return uniqueNames(result.columnNames()).map((name, at) => {
    const type = types[at]!
    return { name, type, typeName: isJson(type) ? "JSON" : type.toString() }
  })
}

/** A name that came before gets a number: `value`, `value_1`. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set(names)
  const seen = new Set<string>()
  return names.map((name) => {
    let unique = name
    for (let number = 1; seen.has(unique) || (unique !== name && taken.has(unique)); number++)
      unique = `${name}_${number}`
    seen.add(unique)
    return unique
  })
}

/** Whether a result, read to its end, was complete. DuckDB ends one that failed on the way like one that is done. */
export function isComplete(result: DuckDBResult): boolean {
  return result.returnType === ResultReturnType.QUERY_RESULT
}
