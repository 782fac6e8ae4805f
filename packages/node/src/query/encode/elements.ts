import { FogError } from "@brume/core"
import {
  type DuckDBArrayType,
  DuckDBArrayVector,
  type DuckDBDataChunk,
  DuckDBListVector,
  DuckDBMapVector,
  DuckDBStructVector,
  type DuckDBVector,
} from "@duckdb/node-api"

/** Most elements of lists, maps and arrays in a chunk of rows: they become objects of this process, all at once. */
export const maxElements = 2_000_000

/** How many values a chunk holds, with those inside of lists and the like. Throws `query_too_large`. */
export function valueCount(chunk: DuckDBDataChunk): number {
  let elements = 0
  for (let column = 0; column < chunk.columnCount; column++) elements += elementCount(chunk.getColumnVector(column))
  if (elements > maxElements) {
    throw new FogError("query_too_large", {
      message: `The lists of some rows of the result have ${elements} elements together; the limit is ${maxElements}`,
      hint: "Ask for rows instead of lists, or aggregate further.",
    })
  }
  return chunk.rowCount * chunk.columnCount + elements
}

function elementCount(vector: DuckDBVector): number {
  if (vector instanceof DuckDBListVector) return vector.childVector.itemCount + elementCount(vector.childVector)
  if (vector instanceof DuckDBArrayVector) return vector.itemCount * (vector.type as DuckDBArrayType).length
  if (vector instanceof DuckDBStructVector) {
    const { entryTypes } = vector.type
    return entryTypes.reduce((sum, _, entry) => sum + elementCount(vector.entryVectorAt(entry)), 0)
  }
  if (vector instanceof DuckDBMapVector) {
    // A map is a list of pairs, which the vector keeps for itself.
    const { listVector } = vector as unknown as { readonly listVector?: DuckDBVector }
    return listVector === undefined ? 0 : elementCount(listVector)
  }
  return 0
}
