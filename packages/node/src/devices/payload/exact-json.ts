/**
 * A strict JSON parser (RFC 8259) for the payloads that JSON.parse would change or explain badly. It keeps integers
 * beyond 2^53 as digits, refuses numbers too large for a double and escapes of half a surrogate pair, and names the
 * place of a mistake. About ten times slower than JSON.parse, which reads everything else.
 */

/** An integer that a double cannot carry exactly. Not a bigint, whose construction costs more than linear time. */
export class ExactInteger {
  readonly digits: string

  constructor(digits: string) {
    this.digits = digits
  }
}

export type JsonValue = null | boolean | number | string | ExactInteger | JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Why a text is not the JSON that is wanted, and where. Caught inside `payload/`. */
export class JsonFault extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

export function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactInteger)
}

/** Compact JSON of a value, exact integers with all their digits. */
export function writeExactJson(value: JsonValue): string {
  if (value instanceof ExactInteger) return value.digits
  if (Array.isArray(value)) return `[${value.map(writeExactJson).join(",")}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${writeExactJson(member)}`)
    .join(",")}}`
}

/** Parses one value between two places of a text. Throws {@link JsonFault}. */
export function parseExactJson(text: string, start: number, end: number, maxDepth: number): JsonValue {
  const parser = new Parser(text.slice(start, end), maxDepth)
  try {
    return parser.parse()
  } catch (fault) {
    if (fault instanceof JsonFault) throw new JsonFault(fault.message, fault.offset + start)
    throw fault
  }
}

const numberToken = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON refuses raw control characters in texts.
const plainCharacters = /[^"\\\u0000-\u001f]*/y
const hexDigits = /^[0-9a-fA-F]{4}$/
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
}

/** A copy: V8 makes long parts of a text point into it, and a name that is kept would keep the whole payload. */
function detached(part: string): string {
  return Buffer.from(part).toString()
}

class Parser {
  readonly #text: string
  readonly #maxDepth: number
  #at = 0

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  parse(): JsonValue {
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#fail("has something after its JSON value")
    return value
  }

  #value(depth: number): JsonValue {
    this.#skipSpace()
    const first = this.#text[this.#at]
    if (first === undefined) this.#fail(this.#at === 0 ? "is empty" : "ends in the middle of its JSON")
    if (first === "{" || first === "[") {
      if (depth >= this.#maxDepth) this.#fail(`is nested deeper than ${this.#maxDepth} levels`)
      return first === "{" ? this.#object(depth + 1) : this.#array(depth + 1)
    }
    if (first === '"') return this.#string()
    if (first === "-" || (first >= "0" && first <= "9")) return this.#number()
    if (this.#takeWord("true")) return true
    if (this.#takeWord("false")) return false
    if (this.#takeWord("null")) return null
    if (this.#text.startsWith("NaN", this.#at) || this.#text.startsWith("Infinity", this.#at))
      this.#fail("has NaN or Infinity, which JSON does not know")
    this.#fail(`has ${JSON.stringify(first)} where a JSON value is expected`)
  }

  #object(depth: number): JsonObject {
    const object: Record<string, JsonValue> = {}
    this.#at++
    this.#skipSpace()
    if (this.#take("}")) return object
    for (;;) {
      this.#skipSpace()
      if (this.#text[this.#at] !== '"') this.#failAtToken("a key in double quotes")
      const key = this.#string()
      this.#skipSpace()
      if (!this.#take(":")) this.#failAtToken("a colon")
      const value = this.#value(depth)
      if (key !== "__proto__") object[key] = value
      // An own property, as JSON.parse makes it, instead of another prototype.
      else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
      this.#skipSpace()
      if (this.#take("}")) return object
      if (!this.#take(",")) this.#failAtToken("a comma or }")
    }
  }

  #array(depth: number): JsonValue[] {
    const array: JsonValue[] = []
    this.#at++
    this.#skipSpace()
    if (this.#take("]")) return array
    for (;;) {
      array.push(this.#value(depth))
      this.#skipSpace()
      if (this.#take("]")) return array
      if (!this.#take(",")) this.#failAtToken("a comma or ]")
    }
  }

  #number(): number | ExactInteger {
    numberToken.lastIndex = this.#at
    const found = numberToken.exec(this.#text)
    if (found === null) this.#fail("has a minus sign without a number")
    const [token, fraction, exponent] = found
    const after = this.#text[this.#at + token.length]
    if (after !== undefined && /[0-9.eE+-]/.test(after)) this.#fail("has a malformed number")
    const number = Number(token)
    if (!Number.isFinite(number)) this.#fail("has a number that is too large for a double")
    this.#at += token.length
    const inexact = fraction === undefined && exponent === undefined && !Number.isSafeInteger(number)
    return inexact ? new ExactInteger(detached(token)) : number
  }

  #string(): string {
    const opening = this.#at++
    let string = ""
    for (;;) {
      plainCharacters.lastIndex = this.#at
      const plain = plainCharacters.exec(this.#text)![0]
      string += plain
      this.#at += plain.length
      const stop = this.#text[this.#at]
      if (stop === '"') break
      if (stop === undefined) this.#fail("has a text that never ends", opening)
      if (stop !== "\\") this.#fail("has a raw control character in a text")
      string += this.#escape()
    }
    this.#at++
    if (/\p{Surrogate}/u.test(string))
      this.#fail("has an escape of half a surrogate pair, which is no character", opening)
    return detached(string)
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? ""
    if (letter === "u") {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6)
      if (!hexDigits.test(hex)) this.#fail("has an escape without four hex digits")
      this.#at += 6
      return String.fromCharCode(Number.parseInt(hex, 16))
    }
    const character = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined
    if (character === undefined) this.#fail("has an unknown escape in a text")
    this.#at += 2
    return character
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #takeWord(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }

  #failAtToken(expected: string): never {
    const found = this.#text[this.#at]
    this.#fail(`has ${found === undefined ? "its end" : JSON.stringify(found)} where ${expected} is expected`)
  }

  #fail(reason: string, offset = this.#at): never {
    throw new JsonFault(reason, offset)
  }
}
