import type { DuckDBDataChunk, DuckDBValue } from "@duckdb/node-api"
import type { Encoder, EncoderOptions } from "./encoder.ts"
import { readerOf } from "./reader.ts"
import { shapeOf } from "./shape.ts"

/** `{"id","columns","rows","rowCount"}`, one row per line, so that people and line-wise tools can read it. */
export function createJsonEncoder({ id, columns }: EncoderOptions): Encoder {
  const cells = columns.map(({ name, type }, at) => {
    const key = `${at === 0 ? "{" : ","}${JSON.stringify(name)}:`
    return lastRemembered(shapeOf(type, name).json, key)
  })
  const head = columns.map(({ name, typeName }) => ({ name, type: typeName }))
  let text = `{"id":${JSON.stringify(id)},"columns":${JSON.stringify(head)},"rows":[`
  let isFirst = true
  return {
    contentType: "application/json",
    get pending() {
      return text.length
    },
    rows(chunk: DuckDBDataChunk, from: number, to: number) {
      const readers = columns.map((_, column) => readerOf(chunk.getColumnVector(column)))
      for (let row = from; row < to; row++) {
        text += isFirst ? "\n" : ",\n"
        isFirst = false
        for (let column = 0; column < readers.length; column++) text += cells[column]!(readers[column]!(row))
        text += "}"
      }
    },
    end(rowCount) {
      text += `${isFirst ? "" : "\n"}],"rowCount":${rowCount}}\n`
    },
    take() {
      const bytes = Buffer.from(text)
      text = ""
      return bytes
    },
  }
}

/** Names of devices and the like repeat from row to row: what was encoded last is kept. */
function lastRemembered(json: (value: DuckDBValue) => string, key: string): (value: DuckDBValue) => string {
  let last: DuckDBValue
  let text = ""
  return (value) => {
    if (value === null) return `${key}null`
    if (typeof value !== "string") return key + json(value)
    if (value !== last) {
      last = value
      text = key + json(value)
    }
    return text
  }
}
