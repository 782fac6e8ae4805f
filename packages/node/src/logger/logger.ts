/**
 * The node's log: one line per event on stderr, for people (`pretty`) or programs (`json`). stdout belongs to results.
 *
 * Invariants:
 * - G1 A secret is never printed: a {@link Secret} prints `[secret]`, and what looks like a token's secret inside any text
 *   is cut to its id.
 * - G2 One event is one line in `json`, and cannot forge another in `pretty`: control characters are escaped.
 * - G3 One message is printed at most `repeatsPerSecond` times a second; the rest is counted and reported in one line.
 * - G4 Everything is bounded: depth, length of texts and lists, causes of an error, messages remembered.
 * - G5 Logging never throws.
 *
 * It is not pino, which comes with Fastify: pino formats for people only through another package and thread, and has
 * neither G1 nor G3; its import would cost 8 MB and 44 ms at start.
 */
import type { Clock, Logger, LogLevel } from "@brume/core"
import { type ErrorFact, type Fact, isErrorFact, plain } from "./plain.ts"
import { RepeatLimit } from "./repeat-limit.ts"

export const logLevels = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[]
export const logFormats = ["pretty", "json"] as const
export type LogFormat = (typeof logFormats)[number]

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  readonly clock: Clock
  /** Takes whole lines. */
  readonly write: (text: string) => void
  /** Colours for a terminal, only in `pretty`. @default false */
  readonly colour?: boolean
  /** @default 10 */
  readonly repeatsPerSecond?: number
}

type Fields = Readonly<Record<string, unknown>>

/** One line to print, before it is formatted. */
interface LogLine {
  /** µs since 1970 UTC. */
  readonly time: number
  readonly level: LogLevel
  readonly message: string
  readonly fields: Readonly<Record<string, Fact>>
}

/** A child's `room` field stands before its messages. */
export function createLogger(options: LoggerOptions): Logger {
  const { clock, write } = options
  const format = options.format === "json" ? formatJson : options.colour ? formatColoured : formatPretty
  const lowest = logLevels.indexOf(options.level)

  const print = (level: LogLevel, message: string, ...fields: Fields[]) => {
    try {
      write(format({ time: clock.now(), level, message, fields: plain(fields) }))
    } catch {
      // G5: a log that cannot be written must not harm the work.
    }
  }
  const limit = new RepeatLimit({ clock, perSecond: options.repeatsPerSecond ?? 10, summarise: print })

  const withFields = (own: Fields): Logger => {
    const at = (level: LogLevel) => {
      if (logLevels.indexOf(level) < lowest) return () => {}
      return (message: string, fields?: Fields) => {
        if (limit.admits(level, message, own)) print(level, message, own, fields ?? {})
      }
    }
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => withFields({ ...own, ...fields }),
    }
  }
  return withFields({})
}

function formatJson({ time, level, message, fields }: LogLine): string {
  // The line's own keys last: no field replaces them.
  return `${JSON.stringify({ ...fields, time: isoTime(time), level, message })}\n`
}

/** Errors follow on lines of their own, indented, so that they cannot be taken for events. */
function formatPretty({ time, level, message, fields }: LogLine): string {
  const { room, ...facts } = fields
  const where = typeof room === "string" ? `${escapeControls(room)}: ` : ""
  let line = `${isoTime(time)} ${level.padEnd(5)} ${where}${escapeControls(message)}`
  let below = ""
  for (const [name, fact] of Object.entries(facts)) {
    if (isErrorFact(fact)) below += showError(fact)
    else line += ` ${escapeControls(name)}=${show(fact)}`
  }
  return `${line}\n${below}`
}

function formatColoured(line: LogLine): string {
  const colour = { debug: 90, info: 32, warn: 33, error: 31 }[line.level]
  return formatPretty(line).replace(line.level, `\u001b[${colour}m${line.level}\u001b[0m`)
}

function showError({ causes, ...own }: ErrorFact): string {
  return [own, ...causes].map((error, depth) => indent(depth === 0 ? "" : "caused by ", error)).join("")
}

function indent(lead: string, error: Fact): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return `    ${lead}${show(error)}\n`
  const { name, code, message, hint, details, stack } = error
  const title = [name, code].filter((part) => part !== undefined).join(" ")
  const lines = [`    ${lead}${title}: ${message}`]
  if (hint !== undefined) lines.push(`      hint: ${hint}`)
  if (details !== undefined) lines.push(`      details: ${JSON.stringify(details)}`)
  // The stack repeats the title before its first "at".
  if (typeof stack === "string") lines.push(...stack.split("\n").filter((line) => /^\s+at /.test(line)))
  return lines.map((line) => `${escapeControls(line)}\n`).join("")
}

/** A text as it is, quoted only where its end would be unclear; everything else as JSON. */
function show(fact: Fact): string {
  const plainText = typeof fact === "string" && /^[^\s"=]+$/.test(fact)
  return escapeControls(plainText ? fact : JSON.stringify(fact))
}

/** G2: what a terminal or a reader of lines could take for more than text, as `\u00XX`. */
function escapeControls(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped here.
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}

function isoTime(us: number): string {
  const date = new Date(us / 1_000)
  return Number.isNaN(date.getTime()) ? String(us) : date.toISOString()
}
