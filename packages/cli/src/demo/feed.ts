/**
 * What the site's devices hand over, as readings with the time at which each was made.
 *
 * F1: a reading's time is wall time, at every speed: speed makes the physics of the site run faster, not its clocks.
 * F2: what lies further back is reported more coarsely, like devices that kept what they could while nobody listened.
 */
import type { NewReading } from "@brume/sdk"
import { type Sample, type Site, type SiteDevice, stepMs } from "./site.ts"

const minuteMs = 60_000
/** Devices report a state again after this time, also when it did not change. */
const stateRepeatMs = 5 * minuteMs
/** Shortest wall time between two numbers of one property. */
const shortestIntervalMs = 100

export interface FeedOptions {
  readonly site: Site
  /** When the feed changes from history, which runs at speed 1, to `speed`; ms since 1970 UTC. */
  readonly liveFrom: number
  readonly speed: number
}

export interface Feed {
  /** Readings of from < time ≤ to, in order of time. Calls must follow each other without going back. */
  between(from: number, to: number): Generator<NewReading, void, undefined>
}

export function createFeed({ site, liveFrom, speed }: FeedOptions): Feed {
  /** In the order in which they report within a step. */
  const devices = [...site.devices].sort((a, b) => a.phaseMs - b.phaseMs)
  /** The states of each device as they were reported last, in the order in which it names them. */
  const reported = new Map<SiteDevice, { value: Sample["value"]; at: number }[]>(devices.map((device) => [device, []]))
  const simulated = (wall: number): number => (wall <= liveFrom ? wall : liveFrom + (wall - liveFrom) * speed)
  const wall = (at: number): number => (at <= liveFrom ? at : liveFrom + (at - liveFrom) / speed)

  /** Numbers at the device's interval, states when they change. */
  function* samplesOf(device: SiteDevice, at: number, ageMs: number): Generator<Sample, void, undefined> {
    const pace = at <= liveFrom ? 1 : speed
    const interval = Math.max(device.intervalMs, resolutionMs(ageMs), shortestIntervalMs * pace)
    if (Math.floor(at / interval) !== Math.floor((at - stepMs) / interval)) yield* device.numbers()
    const before = reported.get(device)!
    for (const [index, sample] of device.states().entries()) {
      const last = before[index]
      if (last !== undefined && last.value === sample.value && at - last.at < stateRepeatMs) continue
      before[index] = { value: sample.value, at }
      yield sample
    }
  }

  function* between(from: number, to: number): Generator<NewReading, void, undefined> {
    const [begin, end] = [simulated(from), simulated(to)]
    for (let at = Math.floor(begin / stepMs) * stepMs; at <= end; at += stepMs) {
      site.advance(at)
      for (const device of devices) {
        const moment = at + device.phaseMs
        if (moment <= begin || moment > end) continue
        const time = Math.round(wall(moment))
        for (const sample of samplesOf(device, at, to - time)) yield readingOf(sample, time)
      }
    }
  }

  return { between }
}

/** F2 */
function resolutionMs(ageMs: number): number {
  if (ageMs > 24 * 60 * minuteMs) return 5 * minuteMs
  return ageMs > 2 * minuteMs ? 30_000 : 0
}

function readingOf(sample: Sample, at: number): NewReading {
  const { device, property, value, unit } = sample
  return { device, property, value, time: at, ...(unit === undefined ? {} : { tags: { unit } }) }
}
