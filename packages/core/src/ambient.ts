/**
 * What the outside world gives a room: time, randomness, a logger, metrics. All of them are arguments, so that a
 * simulation can hand in its own. Nothing in the rooms reads them from globals.
 */

/** Wall and monotonic time, and timers. */
export interface Clock {
  /** Wall time, µs since 1970-01-01 UTC. May jump either way. */
  now(): number
  /** Monotonic time in ms, from an arbitrary start. Never goes back. */
  monotonic(): number
  /** Calls once after at least `delayMs`. Never keeps the process alive by itself. */
  after(delayMs: number, call: () => void): Timer
}

export interface Timer {
  /** Idempotent. */
  cancel(): void
}

export interface Random {
  /** Uniform in [0, 1). Not for secrets. */
  unit(): number
  /** Bytes fit for secrets and ids. */
  bytes(count: number): Uint8Array
}

export type LogLevel = "debug" | "info" | "warn" | "error"

/** Constant message, fields for facts. A room gets its own child from the composition. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
  child(fields: Readonly<Record<string, unknown>>): Logger
}

/** Prometheus metrics. Names are `brume_<room>_<what>_<unit>`; label sets are small and fixed. */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  /** `read` is called when somebody scrapes. */
  gauge(name: string, help: string, read: () => number): void
  /** One sample for each value of a label. */
  gauges(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void
  histogram(name: string, help: string, bucketBounds: readonly number[]): Histogram
}

export interface Counter {
  add(value: number, labels?: Readonly<Record<string, string>>): void
}

export interface Histogram {
  observe(value: number): void
}

/** Something that was opened. `close` is idempotent. */
export interface Closeable extends AsyncDisposable {
  close(): Promise<void>
}
