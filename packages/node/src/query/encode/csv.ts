import type { DuckDBDataChunk } from "@duckdb/node-api"
import type { Encoder, EncoderOptions } from "./encoder.ts"
import { readerOf } from "./reader.ts"
import { shapeOf } from "./shape.ts"

/** RFC 4180 with a header. NULL is an empty field, an empty text is `""`. */
export function createCsvEncoder({ columns }: EncoderOptions): Encoder {
  const shapes = columns.map(({ name, type }) => shapeOf(type, name))
  let text = `${columns.map(({ name }) => field(name)).join(",")}\r\n`
  return {
    contentType: "text/csv; charset=utf-8; header=present",
    get pending() {
      return text.length
    },
    rows(chunk: DuckDBDataChunk, from: number, to: number) {
      const readers = columns.map((_, column) => readerOf(chunk.getColumnVector(column)))
      for (let row = from; row < to; row++) {
        for (let column = 0; column < readers.length; column++) {
          const value = readers[column]!(row)
          if (column > 0) text += ","
          if (value !== null) text += field(shapes[column]!.text(value))
        }
        text += "\r\n"
      }
    },
    end() {},
    take() {
      const bytes = Buffer.from(text)
      text = ""
      return bytes
    },
  }
}

function field(text: string): string {
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
