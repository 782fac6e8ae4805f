import { nullMetrics } from "./null-metrics.ts"
import { SeededRandom } from "./seeded-random.ts"
import { SilentLogger } from "./silent-logger.ts"
import { VirtualClock } from "./virtual-clock.ts"

/** Everything ambient that a room asks for, under the test's control. */
export function simulatedAmbient(seed = 1) {
  return { clock: new VirtualClock(), random: new SeededRandom(seed), logger: new SilentLogger(), metrics: nullMetrics }
}
