import type { Logger, LogLevel } from "@brume/core"

export interface LogEntry {
  readonly level: LogLevel
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

type Fields = Readonly<Record<string, unknown>>

/** Prints nothing and keeps everything, so that a test can ask what was said. Children share the entries. */
export class SilentLogger implements Logger {
  readonly entries: LogEntry[]
  readonly #fields: Fields

  constructor(fields: Fields = {}, entries: LogEntry[] = []) {
    this.#fields = fields
    this.entries = entries
  }

  debug(message: string, fields?: Fields): void {
    this.#keep("debug", message, fields)
  }

  info(message: string, fields?: Fields): void {
    this.#keep("info", message, fields)
  }

  warn(message: string, fields?: Fields): void {
    this.#keep("warn", message, fields)
  }

  error(message: string, fields?: Fields): void {
    this.#keep("error", message, fields)
  }

  child(fields: Fields): SilentLogger {
    return new SilentLogger({ ...this.#fields, ...fields }, this.entries)
  }

  /** Messages of one level, in order. */
  messages(level: LogLevel): string[] {
    return this.entries.filter((entry) => entry.level === level).map((entry) => entry.message)
  }

  #keep(level: LogLevel, message: string, fields: Fields = {}): void {
    this.entries.push({ level, message, fields: { ...this.#fields, ...fields } })
  }
}
