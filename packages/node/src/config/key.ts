/**
 * Kinds of keys. A key knows how to read a written value, how to show one, and what to say when it does not fit.
 * Values come as text from flags, environment and YAML alike, so that each is written the same everywhere.
 */
import { isAbsolute, resolve } from "node:path"
import { addressForm, parseAddress } from "./address.ts"
import type { Members } from "./members.ts"
import { durationExample, parseDuration, parseSize, showDuration, showSize, sizeExample } from "./quantity.ts"
import { isWrittenMap, type Written } from "./written.ts"

/** A mistake inside a value. */
export interface InnerMistake {
  /** Below the key: `[2].time.unit`, `.name`. */
  readonly path: string
  readonly problem: string
  /** Where it stands; undefined where only the whole value has a place. */
  readonly origin?: string | undefined
}

export type Read<T> =
  | { readonly value: T }
  | { readonly problem: string }
  | { readonly mistakes: readonly InnerMistake[] }

export interface Key<T> {
  /** For the reference: kind and limits. */
  readonly type: string
  readonly meaning: string
  /** As one would write it; undefined when there is none. */
  readonly default: string | undefined
  /** For the reference, where the default is not a value. */
  readonly defaultMeaning: string | undefined
  /** For the example file, where there is no default. */
  readonly example: string | undefined
  /** Must be given by somebody. */
  readonly required: boolean
  /** Keys of the objects in a list of them. */
  readonly items?: Members
  /** @param folder what a relative path is relative to. */
  read(written: Written, folder: string): Read<T>
}

export interface Section<Members> {
  readonly meaning: string
  readonly members: Members
}

export function section<const Members>(meaning: string, members: Members): Section<Members> {
  return { meaning, members }
}

interface Common {
  readonly meaning: string
}

interface Limits extends Common {
  readonly default?: string
  readonly min: number
  readonly max: number
}

/** What the reference says of a key whose default is not a written value. */
interface NoDefault {
  /** What holds without a value. */
  readonly meaning?: string
  readonly example: string
}

/** The same key, but with nothing where it is not given. */
export function optional<T>(key: Key<T>, { meaning, example }: NoDefault): Key<T | undefined> {
  return { ...key, defaultMeaning: meaning, example }
}

/** The same key, whose default is found out when the configuration is resolved. */
export function computed<T>(key: Key<T>, { meaning, example }: NoDefault): Key<T> {
  return { ...key, defaultMeaning: meaning, example }
}

/** The same key, which somebody must give. */
export function required<T>(key: Key<T>, { example }: NoDefault): Key<T> {
  return { ...key, example, required: true }
}

export function whole(options: Limits): Key<number> {
  const range = `${group(options.min)} to ${group(options.max)}`
  return single(options, `whole number, ${range}`, (text) => {
    const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (value >= options.min && value <= options.max) return { value }
    return { problem: `${quote(text)} is not a whole number from ${range}` }
  })
}

/** A number with a fraction where wanted. */
export function decimal(options: Common & { readonly default: string }): Key<number> {
  return single(options, "number", (text) => {
    const value = /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? Number(text) : Number.NaN
    return Number.isFinite(value) ? { value } : { problem: `${quote(text)} is not a number such as 0.1` }
  })
}

export function duration(options: Limits): Key<number> {
  const range = `${showDuration(options.min)} to ${showDuration(options.max)}`
  return single(options, `duration, ${range}`, (text) => {
    const value = parseDuration(text)
    if (value === undefined) return { problem: `${quote(text)} is not a duration such as ${durationExample}` }
    if (value >= options.min && value <= options.max) return { value }
    return { problem: `${text} is not within ${range}` }
  })
}

export function size(options: Limits): Key<number> {
  const range = `${showSize(options.min)} to ${showSize(options.max)}`
  return single(options, `size, ${range}`, (text) => {
    const value = parseSize(text)
    if (value === undefined) return { problem: `${quote(text)} is not a size such as ${sizeExample}` }
    if (value >= options.min && value <= options.max) return { value }
    return { problem: `${text} is not within ${range}` }
  })
}

export function choice<const T extends string>(
  options: Common & { readonly default: NoInfer<T>; readonly of: readonly T[] },
): Key<T> {
  const choices = options.of.join(", ")
  return single(options, `one of ${choices}`, (text) => {
    const value = options.of.find((item) => item === text)
    return value === undefined ? { problem: `${quote(text)} is none of ${choices}` } : { value }
  })
}

export interface TextOptions extends Common {
  readonly default?: string
  readonly fits: RegExp
  /** What fits, after "is not". */
  readonly form: string
}

export function text(options: TextOptions): Key<string> {
  return single(options, options.form, (written) =>
    options.fits.test(written) ? { value: written } : { problem: `${quote(written)} is not ${options.form}` },
  )
}

/** A folder; relative paths mean: below the folder of the file that says so, else below the working folder. */
export function folder(options: Common): Key<string> {
  return path(options, "path of a folder")
}

/** A file that is there; relative paths mean what they mean for a folder. */
export function file(options: Common & { readonly default?: string }): Key<string> {
  return path(options, "path of a file")
}

function path(options: Common & { readonly default?: string }, type: string): Key<string> {
  return single(options, type, (written, base) => {
    if (written === "" || written.includes("\u0000")) return { problem: "is not a path" }
    if (/^~(\/|$)/.test(written)) return { problem: `${quote(written)} starts with ~, which only a shell understands` }
    return { value: isAbsolute(written) ? resolve(written) : resolve(base, written) }
  })
}

/** Yes or no. */
export function flag(options: Common & { readonly default: "true" | "false" }): Key<boolean> {
  return single(options, "true or false", (written) =>
    written === "true" || written === "false"
      ? { value: written === "true" }
      : { problem: `${quote(written)} is neither true nor false` },
  )
}

/** `HOST:PORT` to listen at. */
export function address(options: Common & { readonly default?: string; readonly example?: string }): Key<string> {
  return single(options, "HOST:PORT", (written) =>
    addressForm.test(written) && parseAddress(written).port <= 65_535
      ? { value: written }
      : { problem: `${quote(written)} is not HOST:PORT, such as ${options.default ?? options.example} or [::1]:7777` },
  )
}

/** Texts; in flags and environment separated by commas. */
export function texts(
  options: TextOptions & { readonly default: string; readonly most: number },
): Key<readonly string[]> {
  return {
    type: `list of ${options.form}, at most ${options.most}`,
    meaning: options.meaning,
    default: options.default,
    defaultMeaning: options.default === "" ? "none" : undefined,
    example: undefined,
    required: false,
    read(written) {
      if (typeof written !== "string" && isWrittenMap(written)) return { problem: "is a map, but takes a list" }
      const items = typeof written === "string" ? written.split(",") : written.items.map((item) => item.written)
      if (!items.every((item) => typeof item === "string")) return { problem: "has an item that is no text" }
      const value = items.map((item) => item.trim()).filter((item) => item !== "")
      if (value.length > options.most) return { problem: `has ${value.length} items, more than ${options.most}` }
      const odd = value.find((item) => !options.fits.test(item))
      return odd === undefined ? { value } : { problem: `${quote(odd)} is not ${options.form}` }
    },
  }
}

function single<T>(
  options: Common & { readonly default?: string },
  type: string,
  read: (written: string, folder: string) => Read<T>,
): Key<T> {
  return {
    type,
    meaning: options.meaning,
    default: options.default,
    defaultMeaning: undefined,
    example: undefined,
    required: false,
    read(written, base) {
      if (typeof written !== "string")
        return { problem: `is a ${isWrittenMap(written) ? "map" : "list"}, but takes one value` }
      return read(written.trim(), base)
    },
  }
}

/** What to say of a key that is there without a value. */
export function noValue({ type, required }: Key<unknown>): { readonly problem: string } {
  return { problem: `has no value (${type})${required ? "" : "; leave the key out for its default"}` }
}

function quote(written: string): string {
  return JSON.stringify(written.length > 80 ? `${written.slice(0, 80)}…` : written)
}

/** Digits in groups of three. */
function group(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",")
}
