/**
 * What the process costs, under the names that dashboards for Node.js know. Between scrapes it costs one timer that wakes
 * twice a second to see how late it is; twenty times a second would cost an idle machine 0.2 % of a core.
 */
import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks"
import type { Closeable } from "@brume/core"
import type { Registry } from "./metrics.ts"

/** ms between two samples. */
const delayResolutionMs = 500

const collections: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weakcb",
}

export function openProcessMetrics(metrics: Registry): Closeable {
  metrics.gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss())
  metrics.gauge("nodejs_heap_size_used_bytes", "JavaScript heap in use.", () => process.memoryUsage().heapUsed)
  metrics.gauge("process_start_time_seconds", "When the process started, seconds since 1970.", () => {
    return performance.timeOrigin / 1_000
  })
  metrics.total("process_cpu_seconds_total", "Processor time of all threads, user and system.", () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })

  const delay = monitorEventLoopDelay({ resolution: delayResolutionMs })
  delay.enable()
  metrics.gauge(
    "nodejs_eventloop_lag_max_seconds",
    "Longest delay of the event loop seen since the last scrape.",
    () => {
      // The sampler's own interval is part of what it measures; without a sample it says 0.
      const seconds = Math.max(0, delay.max / 1e9 - delayResolutionMs / 1e3)
      delay.reset()
      return seconds
    },
  )
  let utilised = performance.eventLoopUtilization()
  metrics.gauge(
    "nodejs_eventloop_utilization",
    "Part of the time since the last scrape in which the event loop was busy.",
    () => {
      const before = utilised
      utilised = performance.eventLoopUtilization()
      return performance.eventLoopUtilization(utilised, before).utilization
    },
  )

  const collected = metrics.counter("nodejs_gc_seconds_total", "Time in garbage collection.", ["kind"])
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { readonly detail: { readonly kind: number } }).detail
      collected.add(entry.duration / 1e3, { kind: collections[kind] ?? "other" })
    }
  })
  observer.observe({ entryTypes: ["gc"] })

  const close = async () => {
    delay.disable()
    observer.disconnect()
  }
  return { close, [Symbol.asyncDispose]: close }
}
