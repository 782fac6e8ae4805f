import type { Metrics } from "@brume/core"

/** Metrics that nobody looks at. */
export const nullMetrics: Metrics = {
  counter: () => ({ add: () => {} }),
  gauge: () => {},
  gauges: () => {},
  histogram: () => ({ observe: () => {} }),
}
