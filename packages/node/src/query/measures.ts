import { type Counter, type Histogram, isFogError, type Metrics } from "@brume/core"

/** What the room counts. */
export interface Measures {
  readonly rows: Counter
  /** @param error why it ended, or undefined when its answer was read to the end. */
  ended(durationMs: number, error: unknown): void
}

export function createMeasures(
  metrics: Metrics,
  counts: { readonly running: () => number; readonly waiting: () => number },
): Measures {
  const total = metrics.counter("brume_query_statements_total", "Statements of users by how they ended.", ["outcome"])
  const duration: Histogram = metrics.histogram(
    "brume_query_duration_seconds",
    "Time from a statement's arrival to the end of its answer, waiting included.",
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
  )
  metrics.gauge("brume_query_running", "Statements of users that run now.", counts.running)
  metrics.gauge("brume_query_waiting", "Statements of users that wait for their turn.", counts.waiting)
  return {
    rows: metrics.counter("brume_query_rows_total", "Rows that were sent to users."),
    ended(durationMs, error) {
      const outcome = error === undefined ? "ok" : isFogError(error) ? error.code.replace(/^query_/, "") : "internal"
      total.add(1, { outcome })
      duration.observe(durationMs / 1_000)
    },
  }
}
