/** The line protocol against a plain reader of it, written for clarity alone. */
import { canonicalTags, isFogError, maxTimeUs, nameProblem, SeriesCache } from "@brume/core"
import fc from "fast-check"
import { expect, test, vi } from "vitest"
import { defaultPayloadLimits } from "./limits.ts"
import { defaultDeviceTags, LineParser } from "./line-protocol.ts"

const isLong = process.env.BRUME_LONG === "1"
vi.setConfig({ testTimeout: 600_000 })
const numRuns = isLong ? 60_000 : 1_500
const receivedUs = 1_772_366_400_000_000
const options = { series: new SeriesCache(), limits: defaultPayloadLimits, deviceTags: defaultDeviceTags }
// The same for all runs, so that what they remember of earlier names is a part of the test; one forgets all the time.
const parsers = [
  new LineParser(options),
  new LineParser({ ...options, memory: { heads: 3, fields: 5, fieldsOfHead: 2, nameBytes: 100 } }),
]

/** What both readers say of a payload: rows of good lines, and how many were refused. */
interface Outcome {
  readonly rows: readonly string[]
  readonly refused: number
}

function parsed(parser: LineParser, bytes: Uint8Array): Outcome {
  const { batch, refused } = parser.parse(bytes, { receivedUs, precision: "ns" })
  const rows = Array.from({ length: batch.length }, (_, row) => {
    const reading = batch.readingAt(row, { node: "", epoch: "", firstSeq: 0 })
    const { device, property, tags, value, text, json, time } = reading
    return show([device, property, tags, value, text, json, time])
  })
  return { rows, refused }
}

/** -0 is told from 0. */
const show = (parts: readonly unknown[]): string =>
  JSON.stringify(parts.map((part) => (Object.is(part, -0) ? "-0" : part)))

/** Reads characters (bytes as latin1) one by one; texts become UTF-8 at the end. */
class PlainReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text.startsWith("\xef\xbb\xbf") ? text.slice(3) : text
  }

  read(): Outcome {
    const rows: string[] = []
    let refused = 0
    while (this.#at < this.#text.length) {
      this.#skip(" \t\r\n")
      if (this.#at >= this.#text.length) break
      if (this.#peek() === "#") this.#takeUntil(["\n"], "")
      else {
        const line = this.#line()
        if (line === undefined) {
          refused++
          this.#skipRefused()
        } else rows.push(...line)
      }
    }
    return { rows, refused }
  }

  #line(): string[] | undefined {
    const head = this.#takeUntil([" ", "\n"], " ")
    if (this.#peek() !== " ") return undefined
    const names = headOf(head)
    this.#skip(" \t")
    const fields: [property: string, carried: readonly unknown[]][] = []
    if (names === undefined) return undefined
    for (;;) {
      const raw = this.#takeUntil(["=", " ", ",", "\n"], "=, ")
      if (this.#peek() !== "=") return undefined
      const name = decode(raw.replace(/\\([,= ])/g, "$1"))
      if (name === undefined || name === "" || nameProblem(names.prefix + name) !== undefined) return undefined
      this.#at++
      const carried = this.#value()
      if (carried === undefined) return undefined
      fields.push([names.prefix + name, carried])
      if (this.#peek() !== ",") break
      this.#at++
    }
    const time = this.#time()
    return time === undefined
      ? undefined
      : fields.map(([property, carried]) => show([names.device, property, names.tags, ...carried, time]))
  }

  /** [value, text, json] */
  #value(): readonly unknown[] | undefined {
    if (this.#peek() === '"') return this.#quoted()
    const start = this.#at
    const token = /^[^, \t\r\n]*/.exec(this.#text.slice(start))![0]
    if (/^(t|T|true|True|TRUE)$/.test(token)) return this.#took(token, [null, null, "true"])
    if (/^(f|F|false|False|FALSE)$/.test(token)) return this.#took(token, [null, null, "false"])
    if (/^-?[0-9]+[iu]$/.test(token)) {
      const integer = BigInt(token.slice(0, -1))
      const [least, most] = token.endsWith("u") ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n]
      if (integer < least || integer > most || (token.endsWith("u") && token.startsWith("-"))) return undefined
      const isSafe = Number.isSafeInteger(Number(integer))
      return this.#took(token, [Number(integer), null, isSafe ? null : String(integer)])
    }
    if (!/^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(token)) return undefined
    const number = Number(token)
    return Number.isFinite(number) ? this.#took(token, [number, null, null]) : undefined
  }

  #took<T>(token: string, result: T): T {
    this.#at += token.length
    return result
  }

  #quoted(): readonly unknown[] | undefined {
    const found = /^"((?:\\["\\]|\\(?!["\\])|[^"\\])*)"/.exec(this.#text.slice(this.#at))
    if (found === null) {
      this.#at = this.#text.length
      return undefined
    }
    this.#at += found[0].length
    const text = decode(found[1]!.replace(/\\(["\\])/g, "$1"))
    return text === undefined ? undefined : [null, text, null]
  }

  #time(): number | undefined {
    const rest = /^[^\n]*/.exec(this.#text.slice(this.#at))![0]
    const found = /^(?:[ \t]+(-?[0-9]+)?)?[ \t]*\r?$/.exec(rest)
    if (found === null) return undefined
    let time = receivedUs
    if (found[1] !== undefined) {
      const ns = BigInt(found[1])
      const us = (ns - (((ns % 1000n) + 1000n) % 1000n)) / 1000n
      time = Number(us)
      if (us > BigInt(maxTimeUs) || us < -BigInt(maxTimeUs)) return undefined
    }
    this.#at += rest.length
    return time
  }

  #peek(): string | undefined {
    return this.#text[this.#at]
  }

  #skip(characters: string): void {
    while (this.#at < this.#text.length && characters.includes(this.#text[this.#at]!)) this.#at++
  }

  /** Up to one of the stops; a backslash hides those of `escapable`. */
  #takeUntil(stops: readonly string[], escapable: string): string {
    const start = this.#at
    while (this.#at < this.#text.length && !stops.includes(this.#text[this.#at]!)) {
      const next = this.#text[this.#at + 1]
      this.#at += this.#text[this.#at] === "\\" && next !== undefined && escapable.includes(next) ? 2 : 1
    }
    return this.#text.slice(start, this.#at)
  }

  /** To the newline that ends a refused line; quotes behind an equals sign hide newlines. */
  #skipRefused(): void {
    let isQuoted = false
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at]
      if (isQuoted && character === "\\") this.#at++
      else if (isQuoted) isQuoted = character !== '"'
      else if (character === "\n") return
      else if (character === '"' && this.#text[this.#at - 1] === "=") isQuoted = true
    }
  }
}

function decode(latin1: string): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin1, "latin1"))
  } catch {
    return undefined
  }
}

function headOf(head: string): { device: string; prefix: string; tags: string } | undefined {
  const [measurementPart, ...tagParts] = head.split(/(?<!\\),/)
  const measurement = decode(measurementPart!.replace(/\\([, ])/g, "$1"))
  if (measurement === undefined || measurement === "") return undefined
  const tags = new Map<string, string>()
  for (const part of tagParts) {
    const pair = part.split(/(?<!\\)=/).map((side) => decode(side.replace(/\\([,= ])/g, "$1")))
    const [name, value] = pair
    if (pair.length !== 2 || !name || !value || tags.has(name) || nameProblem(name) !== undefined) return undefined
    tags.set(name, value)
  }
  const deviceTag = defaultDeviceTags.find((name) => tags.has(name))
  const device = deviceTag === undefined ? measurement : tags.get(deviceTag)!
  if (nameProblem(device) !== undefined) return undefined
  return {
    device,
    prefix: deviceTag === undefined ? "" : `${measurement}.`,
    tags: canonicalTags(Object.fromEntries(tags)),
  }
}

function compare(bytes: Buffer): void {
  const expected = new PlainReader(bytes.toString("latin1")).read()
  for (const parser of parsers) expect(parsed(parser, bytes)).toEqual(expected)
}

const name = fc.oneof(
  fc.constantFrom("m", "cpu", "host", "device", "a b", "a,b", "a=b", "a\\b", "é", "😀", "__proto__", "x\\"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }),
)
const escapeName = (text: string): string => text.replace(/[,= ]/g, "\\$&").replace(/[\r\n]/g, "_")
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 65n }).map(String),
  fc.stringMatching(/^-?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?$/),
)
const value = fc.oneof(
  number,
  fc.tuple(number, fc.constantFrom("i", "u")).map(([digits, suffix]) => digits + suffix),
  fc.constantFrom("t", "f", "true", "FALSE", "True", "yes", ""),
  fc.string({ unit: "grapheme" }).map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`),
)
const pairs = (left: fc.Arbitrary<string>, right: fc.Arbitrary<string>, minLength: number): fc.Arbitrary<string> =>
  fc.array(fc.tuple(left, right), { minLength, maxLength: 3 }).map((all) => all.map((pair) => pair.join("=")).join())
const nameText = name.map(escapeName)
const time = fc.oneof(
  fc.constantFrom("", " ", " 1700000000000000000", " 12x", " -5"),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map((ns) => ` ${ns}`),
)
const line = fc
  .tuple(nameText, pairs(nameText, nameText, 0), pairs(nameText, value, 1), time)
  .map(([measurement, tags, fields, at]) => `${measurement}${tags === "" ? "" : `,${tags}`} ${fields}${at}`)
const payload = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\n\n", "\n# comment\n")), { minLength: 1, maxLength: 4 })
  .map((lines) => lines.flat().join(""))

test("well-formed and nearly well-formed lines are read as by a plain reader", () => {
  fc.assert(
    fc.property(payload, (text) => compare(Buffer.from(text))),
    { numRuns },
  )
})

test("damaged lines are read as by a plain reader", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...' ,=\\"\n\r\t#ti0-.\xff\xc3'), fc.nat(2)), {
    maxLength: 5,
  })
  fc.assert(
    fc.property(payload, damage, (text, changes) => {
      let bytes = Buffer.from(text)
      for (const [place, character, kind] of changes) {
        const at = place % (bytes.length + 1)
        const insert = Buffer.from(kind === 2 ? "" : character, "latin1")
        bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(kind === 0 ? at : at + 1)])
      }
      compare(bytes)
    }),
    { numRuns: numRuns * 2 },
  )
})

test("soups of the protocol's characters are read as by a plain reader", () => {
  const soup = fc.string({ unit: fc.constantFrom(...'m,, ==\\"\n1-.ietu \r#x'), maxLength: 24 })
  fc.assert(
    fc.property(soup, (text) => compare(Buffer.from(text))),
    { numRuns: numRuns * 10 },
  )
})

test("random bytes meet nothing but refused lines and limits", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        compare(Buffer.from(bytes))
      } catch (error) {
        if (!isFogError(error)) throw error
      }
    }),
    { numRuns },
  )
})
