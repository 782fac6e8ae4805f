export { nullMetrics } from "./null-metrics.ts"
export { SeededRandom } from "./seeded-random.ts"
export { type LogEntry, SilentLogger } from "./silent-logger.ts"
export { VirtualClock } from "./virtual-clock.ts"
