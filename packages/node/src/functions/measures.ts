/** Metrics of functions. */
import type { Metrics } from "@brume/core"
import type { CallOutcome } from "./deployed-function.ts"

export interface FunctionMeasures {
  called(name: string, outcome: CallOutcome, seconds: number): void
  deadLetters(name: string, count: number): void
  dropped(name: string, count: number): void
}

/** Upper bounds in seconds. */
const bounds = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]

export function createFunctionMeasures(metrics: Metrics, waiting: () => number): FunctionMeasures {
  const calls = metrics.counter("brume_functions_calls_total", "Calls that have ended", ["function", "outcome"])
  const seconds = metrics.histogram("brume_functions_call_seconds", "Time of a call, waiting included", bounds)
  const letters = metrics.counter("brume_functions_dead_letters_total", "Events that failed too often", ["function"])
  const dropped = metrics.counter("brume_functions_dropped_events_total", "Events that found no room", ["function"])
  metrics.gauge("brume_functions_waiting_events", "Events that wait for their functions", waiting)
  return {
    called(name, outcome, duration) {
      calls.add(1, { function: name, outcome })
      seconds.observe(duration)
    },
    deadLetters: (name, count) => letters.add(count, { function: name }),
    dropped: (name, count) => dropped.add(count, { function: name }),
  }
}
