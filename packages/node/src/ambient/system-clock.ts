/**
 * The machine's time.
 *
 * - Wall time has µs: the system's ms clock decides, and the monotonic clock only divides each of its milliseconds. So a
 *   step of the wall clock (NTP, an administrator) is followed at once, and between steps time does not run backwards.
 * - Monotonic time counts suspend where the system tells it. Node.js' own monotonic clock does so on macOS and Windows;
 *   on Linux it is CLOCK_MONOTONIC, which stands still while the machine sleeps, and the time slept is taken from
 *   `/proc/uptime` (10 ms steps). A suspend always moves the wall clock against CLOCK_MONOTONIC, so the file is read only
 *   when that has happened, never in the normal course.
 * - Timers never keep the process alive, and may wait longer than Node.js' own limit of 24.8 days.
 */
import { readFileSync } from "node:fs"
import type { Clock, Timer } from "@brume/core"

/** What the clock reads; a test hands in its own. */
export interface ClockSources {
  /** Wall time in whole ms since 1970 UTC. */
  wallMs(): number
  /** ms, from an arbitrary start, with fractions. May stand still in suspend. */
  steadyMs(): number
  /** ms since boot including suspend, or undefined where the system does not tell. Its start is that of `steadyMs`. */
  bootMs(): number | undefined
}

/** Longest delay that setTimeout takes, ms. */
const longestTimeoutMs = 2 ** 31 - 1
/** A wall clock that moved this far against the steady one was stepped, or the machine slept. ms. */
const noticeableMs = 1_000

export function systemClock(sources: ClockSources = systemSources): Clock {
  let wallMinusSteadyUs = 0
  let lastDriftMs = sources.wallMs() - sources.steadyMs()
  let sleptMs = 0

  return {
    now() {
      const floorUs = sources.wallMs() * 1_000
      const steadyUs = Math.floor(sources.steadyMs() * 1_000)
      const guessUs = steadyUs + wallMinusSteadyUs
      // The guess must lie within the millisecond that the wall clock shows; else the wall clock is right.
      const nowUs = Math.min(Math.max(guessUs, floorUs), floorUs + 999)
      wallMinusSteadyUs = nowUs - steadyUs
      return nowUs
    },

    monotonic() {
      const steadyMs = sources.steadyMs()
      const driftMs = sources.wallMs() - steadyMs
      if (Math.abs(driftMs - lastDriftMs) > noticeableMs) {
        lastDriftMs = driftMs
        const bootMs = sources.bootMs()
        if (bootMs !== undefined) sleptMs = Math.max(sleptMs, bootMs - steadyMs)
      }
      return steadyMs + sleptMs
    },

    after: startTimer,
  }
}

function startTimer(delayMs: number, call: () => void): Timer {
  let handle: NodeJS.Timeout
  const wait = (restMs: number) => {
    const stepMs = Math.min(restMs, longestTimeoutMs)
    handle = setTimeout(() => (restMs > stepMs ? wait(restMs - stepMs) : call()), stepMs)
    handle.unref()
  }
  // setTimeout cuts fractions off, which would fire early.
  wait(Math.max(0, Math.ceil(delayMs)))
  return { cancel: () => clearTimeout(handle) }
}

const systemSources: ClockSources = {
  wallMs: () => Date.now(),
  steadyMs: () => Number(process.hrtime.bigint()) / 1e6,
  bootMs: process.platform === "linux" ? linuxUptimeMs : () => undefined,
}

function linuxUptimeMs(): number | undefined {
  try {
    const seconds = Number.parseFloat(readFileSync("/proc/uptime", "utf8"))
    return Number.isFinite(seconds) ? seconds * 1_000 : undefined
  } catch {
    return undefined
  }
}
