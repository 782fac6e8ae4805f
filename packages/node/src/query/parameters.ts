/** Values for `$1`, `$2`, … */
import { FogError, type QueryParameter } from "@brume/core"
import type { DuckDBPreparedStatement } from "@duckdb/node-api"
import type { Checked } from "./check/check.ts"
import { checkPatternParameter } from "./check/pattern.ts"

/** Longest text of all parameters together, UTF-16 code units. */
const maxLength = 65_536

export function checkParameters(values: readonly QueryParameter[], { parameterCount, patterns }: Checked): void {
  if (values.length !== parameterCount) {
    throw invalid(
      `The statement has ${parameterCount} parameters, but ${values.length} values came`,
      "Send one value for each of $1, $2, … in `parameters`.",
    )
  }
  let length = 0
  for (const [index, value] of values.entries()) {
    const name = `The parameter $${index + 1}`
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw invalid(`${name} is ${value}, which JSON cannot carry`, "Send a number, or null.")
    }
    if (typeof value !== "string") continue
    length += value.length
    if (value.includes("\u0000")) throw invalid(`${name} contains the character U+0000`, "Remove it.")
    const wildcards = patterns.get(index + 1)
    if (wildcards !== undefined) checkPatternParameter(value, wildcards)
  }
  if (length > maxLength) {
    throw invalid(`The parameters have ${length} characters; the limit is ${maxLength}`, "Ask in several statements.")
  }
}

/** Whole numbers become integers, as large as they need; DuckDB casts all of them to what the statement expects. */
export function bind(prepared: DuckDBPreparedStatement, values: readonly QueryParameter[]): void {
  for (const [index, value] of values.entries()) {
    const at = index + 1
    if (value === null) prepared.bindNull(at)
    else if (typeof value === "string") prepared.bindVarchar(at, value)
    else if (typeof value === "boolean") prepared.bindBoolean(at, value)
    else if (!Number.isSafeInteger(value) || Object.is(value, -0)) prepared.bindDouble(at, value)
    else if (Math.abs(value) < 2 ** 31) prepared.bindInteger(at, value)
    else prepared.bindBigInt(at, BigInt(value))
  }
}

function invalid(message: string, hint: string): FogError {
  return new FogError("query_invalid", { message, hint })
}
