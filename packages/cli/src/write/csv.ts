/**
 * CSV (RFC 4180) as readings. The first record names the columns: `device`, `time`, `quality`, `tag.NAME`, and either
 * `property` and `value`, or one column per property. Empty cells are left out.
 */
import type { ReadingInput, ReadingValue } from "@brume/sdk"
import { usageError } from "../failure.ts"
import { parseValue } from "./argument.ts"

export interface CsvRecord {
  readonly cells: readonly string[]
  /** Where the record begins in the input, from 1. */
  readonly number: number
}

/** Records of CSV: a quoted cell may hold separators, quotes and line ends. */
export async function* recordsOf(lines: AsyncIterable<string>): AsyncGenerator<CsvRecord, void, undefined> {
  let open = ""
  let begun = 0
  let number = 0
  for await (const line of lines) {
    number++
    if (open === "") begun = number
    open = open === "" ? line : `${open}\n${line}`
    // An odd number of quotes: the cell goes on in the next line.
    if ((open.split('"').length & 1) === 0) continue
    if (open !== "") yield { cells: cellsOf(open, begun), number: begun }
    open = ""
  }
  if (open !== "") {
    throw usageError(
      `The quote in the CSV's line ${begun} is never closed`,
      'Write a quote inside of a cell twice: "".',
    )
  }
}

function cellsOf(record: string, number: number): string[] {
  const cells: string[] = []
  let at = 0
  for (;;) {
    if (record[at] === '"') {
      let cell = ""
      let end = record.indexOf('"', at + 1)
      let start = at + 1
      while (record[end + 1] === '"') {
        cell += record.slice(start, end + 1)
        start = end + 2
        end = record.indexOf('"', start)
      }
      cells.push(cell + record.slice(start, end))
      at = end + 1
      if (at < record.length && record[at] !== ",") {
        throw usageError(
          `The CSV's line ${number} has text behind a closing quote`,
          'Write a quote inside of a cell twice: "".',
        )
      }
    } else {
      const comma = record.indexOf(",", at)
      const end = comma < 0 ? record.length : comma
      cells.push(record.slice(at, end))
      at = end
    }
    if (at >= record.length) return cells
    at++
  }
}

/** What a record says, by the columns' names. Throws `usage` for columns that cannot be readings. */
export function createRowReader(header: readonly string[], defaultDevice: string | undefined) {
  const names = header.map((name) => name.trim().replace(/^\ufeff/, ""))
  const place = (name: string): number => names.indexOf(name)
  const isLong = place("property") >= 0 && place("value") >= 0
  const properties = isLong
    ? []
    : names.flatMap((name, index) => (isReserved(name) || name === "" ? [] : [{ name, index }]))
  if (place("device") < 0 && defaultDevice === undefined) {
    throw usageError("The CSV has no column `device`", "Name the device of all its readings: --device NAME.")
  }
  if (!isLong && properties.length === 0) {
    throw usageError(
      `The CSV's columns hold no readings: ${names.join(", ")}`,
      "Have the columns property and value, or one column per property.",
    )
  }
  const tags = names.flatMap((name, index) => (name.startsWith("tag.") ? [{ name: name.slice(4), index }] : []))

  return (cells: readonly string[]): ReadingInput | undefined => {
    const cell = (name: string): string | undefined => {
      const index = place(name)
      const text = index < 0 ? undefined : cells[index]
      return text === "" ? undefined : text
    }
    const time = cell("time")
    const quality = cell("quality")
    const given = tags.flatMap(({ name, index }) => (cells[index] ? [[name, cells[index]] as const] : []))
    const origin = {
      device: cell("device") ?? defaultDevice ?? "",
      ...(time === undefined ? {} : { time: timeOf(time) }),
      ...(quality === undefined ? {} : { quality: Number(quality) }),
      ...(given.length === 0 ? {} : { tags: Object.fromEntries(given) }),
    }
    if (isLong) {
      const value = cell("value")
      return value === undefined ? undefined : { ...origin, property: cell("property") ?? "", value: parseValue(value) }
    }
    const values: Record<string, ReadingValue> = {}
    for (const { name, index } of properties) if (cells[index]) values[name] = parseValue(cells[index])
    return Object.keys(values).length === 0 ? undefined : { ...origin, values }
  }
}

const isReserved = (name: string): boolean =>
  ["device", "time", "quality", "property", "value"].includes(name) || name.startsWith("tag.")

/** ms since 1970 as digits, or ISO 8601. */
function timeOf(text: string): string | number {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
