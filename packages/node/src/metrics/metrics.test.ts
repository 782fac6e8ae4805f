import { expect, test } from "vitest"
import { createMetrics } from "./metrics.ts"
import { openProcessMetrics } from "./process-metrics.ts"

test("counters, gauges and histograms are exposed as Prometheus reads them", async () => {
  const metrics = createMetrics()
  const answers = metrics.counter("brume_api_answers_total", "Answers\nby status.", ["method", "status"])
  answers.add(1, { method: "GET", status: "200" })
  answers.add(2, { status: "200", method: "GET" })
  answers.add(1, { method: 'a"b\\c\nd', status: "500" })
  metrics.counter("brume_store_readings_total", "Readings.").add(5)
  metrics.gauge("brume_store_free_bytes", "Free.", () => 12.5)
  const sync = metrics.histogram("brume_store_sync_seconds", "Syncs.", [0.001, 0.01])
  for (const seconds of [0.0005, 0.001, 0.005, 7]) sync.observe(seconds)
  expect(await metrics.expose()).toBe(
    [
      "# HELP brume_api_answers_total Answers\\nby status.",
      "# TYPE brume_api_answers_total counter",
      'brume_api_answers_total{method="GET",status="200"} 3',
      'brume_api_answers_total{method="a\\"b\\\\c\\nd",status="500"} 1',
      "# HELP brume_store_readings_total Readings.",
      "# TYPE brume_store_readings_total counter",
      "brume_store_readings_total 5",
      "# HELP brume_store_free_bytes Free.",
      "# TYPE brume_store_free_bytes gauge",
      "brume_store_free_bytes 12.5",
      "# HELP brume_store_sync_seconds Syncs.",
      "# TYPE brume_store_sync_seconds histogram",
      'brume_store_sync_seconds_bucket{le="0.001"} 2',
      'brume_store_sync_seconds_bucket{le="0.01"} 3',
      'brume_store_sync_seconds_bucket{le="+Inf"} 4',
      "brume_store_sync_seconds_sum 7.0065",
      "brume_store_sync_seconds_count 4",
      "",
    ].join("\n"),
  )
})

test("a counter without labels is exposed before it counts", async () => {
  const metrics = createMetrics()
  metrics.counter("brume_store_readings_total", "Readings.")
  expect(await metrics.expose()).toContain("\nbrume_store_readings_total 0\n")
})

test("a name that is taken or malformed is refused", () => {
  const metrics = createMetrics()
  metrics.gauge("brume_x", "x", () => 1)
  expect(() => metrics.counter("brume_x", "x")).toThrow("registered twice")
  expect(() => metrics.counter("brume-x", "x")).toThrow("malformed")
  expect(() => metrics.histogram("brume_y", "y", [1, 1])).toThrow("do not rise")
})

test("label sets are bounded: beyond a thousand they count as other", async () => {
  const metrics = createMetrics()
  const counter = metrics.counter("brume_x_total", "x", ["name"])
  for (let i = 0; i < 5_000; i++) counter.add(1, { name: `n${i}` })
  const text = await metrics.expose()
  expect(text.split("\n").length).toBeLessThan(1_010)
  expect(text).toContain('brume_x_total{name="other"} 4000')
})

test("a gauge that throws leaves the others in place", async () => {
  const metrics = createMetrics()
  metrics.gauge("brume_a", "a", () => {
    throw new Error("closed")
  })
  metrics.gauge("brume_b", "b", () => Number.NaN)
  expect(await metrics.expose()).toBe("# HELP brume_b b\n# TYPE brume_b gauge\nbrume_b NaN\n")
})

test("the process tells its memory, processor time and the delay of its event loop", async () => {
  const metrics = createMetrics()
  await using _open = openProcessMetrics(metrics)
  const text = await metrics.expose()
  const sample = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1])
  expect(sample("process_resident_memory_bytes")).toBeGreaterThan(1e6)
  expect(sample("process_cpu_seconds_total")).toBeGreaterThan(0)
  expect(sample("nodejs_eventloop_lag_max_seconds")).toBeGreaterThanOrEqual(0)
  expect(sample("nodejs_eventloop_utilization")).toBeLessThanOrEqual(1)
})
