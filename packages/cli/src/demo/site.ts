/**
 * The demo's cold-storage site: its rooms, moved on together in steps of five seconds, and what their devices report.
 *
 * S1: doors, defrosting and weather are a function of (seed, weather, local time): they tell the same story whenever the
 *     simulation begins.
 * S2: what rooms are told to do lies over that story, and ends by itself.
 * S3: a site that begins anew has at least a day to settle before it is asked; one that goes on begins with what its
 *     sensors showed last, so that no temperature jumps.
 */
import { type Chance, createChance, normal } from "./chance.ts"
import { type Acted, carryOut, noOrders, type Orders } from "./orders.ts"
import { createRoom, type LastShown, type RoomSpec, type RoomState, stepRoom } from "./room.ts"
import { planRooms, weatherStation } from "./rooms.ts"
import { createSchedule, type Schedule } from "./schedule.ts"
import type { Weather } from "./weather.ts"

export interface SiteOptions {
  readonly seed: number
  readonly weather: Weather
  /** Devices in all: rooms, and from the fifth on one weather station among them. */
  readonly devices: number
  /** Local time minus UTC, ms: decides when people work. */
  readonly utcOffsetMs: number
  /** The first moment that will be asked for, ms since 1970 UTC. */
  readonly from: number
  /** What the sensors of each room showed at that moment; without it the site begins anew. */
  readonly last?: ReadonlyMap<string, LastShown>
}

/** One property of one device, as its sensor gives it. */
export interface Sample {
  readonly device: string
  readonly property: string
  readonly value: number | string | boolean
  readonly unit?: string
}

export interface Site {
  readonly devices: readonly SiteDevice[]
  /** Moves all rooms on to the last whole step at or before `at`, ms since 1970 UTC. Never goes back. */
  advance(at: number): void
}

export interface SiteDevice {
  readonly name: string
  /** Time between two reports of the device's numbers, ms. */
  readonly intervalMs: number
  /** When within a step it reports: devices are not synchronised. */
  readonly phaseMs: number
  /** What its sensors show at the step that the site has reached. */
  numbers(): Sample[]
  /** Doors and the like: reported when they change. */
  states(): Sample[]
  /** Does what it is told, or says why not. (S2) */
  act(command: string, input: unknown): Acted
}

/** Length of one step. */
export const stepMs = 5_000
const dayMs = 86_400_000
const roomIntervalMs = 5_000
const stationIntervalMs = 60_000
/** Place of the weather station among the devices. */
const stationIndex = 4

interface Instant {
  at: number
  local: number
  hall: number
}

export function createSite(options: SiteOptions): Site {
  const { seed, weather, utcOffsetMs } = options
  const chance = createChance(seed)
  const schedule = createSchedule(chance)
  const hasStation = options.devices > stationIndex
  const specs = planRooms(options.devices - (hasStation ? 1 : 0), chance)
  const orders = specs.map(noOrders)
  const rooms = specs.map((spec) => createRoom(spec, options.last?.get(spec.name)))
  // S3
  const begin = options.last === undefined ? midnightBefore(options.from - dayMs, utcOffsetMs) : options.from
  const at = Math.floor(begin / stepMs) * stepMs
  const instant: Instant = { at, local: at + utcOffsetMs, hall: 17 }

  function advance(at: number): void {
    while (instant.at + stepMs <= at) {
      instant.at += stepMs
      instant.local = instant.at + utcOffsetMs
      const outdoors = weather.temperature(instant.local)
      instant.hall = 17 + 0.25 * (outdoors - 10)
      const outdoorHumidity = weather.humidity(instant.local)
      for (const [index, spec] of specs.entries()) {
        const told = orders[index]!
        const isDoorOpen = schedule.isDoorOpen(spec, instant.local) || instant.at < told.doorUntil
        const isBoosted = instant.at < told.boostUntil
        const isDefrosting = schedule.isDefrosting(spec, instant.local)
        const around = { outdoors, hall: instant.hall, outdoorHumidity, isDoorOpen, isDefrosting, isBoosted }
        stepRoom(rooms[index]!, spec, around, stepMs / 1_000)
      }
    }
  }

  const devices = specs.map(
    (spec, index): SiteDevice => ({
      name: spec.name,
      intervalMs: roomIntervalMs,
      phaseMs: Math.floor(chance(spec.name, "phase") * stepMs),
      numbers: () => roomNumbers(spec, rooms[index]!, instant, chance),
      states: () => roomStates(spec, { instant, schedule, orders: orders[index]! }),
      act: (command, input) => carryOut(orders[index]!, { command, input, at: instant.at }),
    }),
  )
  if (hasStation) {
    devices.splice(stationIndex, 0, {
      name: weatherStation,
      intervalMs: stationIntervalMs,
      phaseMs: Math.floor(chance(weatherStation, "phase") * stepMs),
      numbers: () => stationNumbers(weather, instant, chance),
      states: () => [],
      act: (command) =>
        carryOut(noOrders(), { command: `${command} (a weather station only measures)`, input: null, at: 0 }),
    })
  }
  return { devices, advance }
}

function midnightBefore(at: number, utcOffsetMs: number): number {
  return Math.floor((at + utcOffsetMs) / dayMs) * dayMs - utcOffsetMs
}

function roomNumbers(spec: RoomSpec, room: RoomState, { at }: Instant, chance: Chance): Sample[] {
  const noise = (property: string): number => normal(chance, spec.name, property, at)
  return [
    number(spec.name, "temperature", round(room.air + 0.012 * noise("temperature"), 2), "°C"),
    number(spec.name, "humidity", round(Math.min(100, room.humidity + 0.15 * noise("humidity")), 1), "%"),
    number(spec.name, "power", round(room.power * (1 + 0.006 * noise("power")), spec.cooling < 1_000 ? 1 : 0), "W"),
  ]
}

function stationNumbers(weather: Weather, { at, local }: Instant, chance: Chance): Sample[] {
  const day = weather.day(local)
  const noise = normal(chance, weatherStation, "temperature", at)
  return [
    number(weatherStation, "temperature", round(weather.temperature(local) + 0.03 * noise, 2), "°C"),
    number(weatherStation, "humidity", round(weather.humidity(local), 1), "%"),
    // As observed, without noise: the file's own values of this day.
    number(weatherStation, "day/coldest", day.coldest, "°C"),
    number(weatherStation, "day/warmest", day.warmest, "°C"),
    number(weatherStation, "day/precipitation", day.precipitation, "mm"),
    number(weatherStation, "day/wind", day.wind, "m/s"),
  ]
}

interface Around {
  readonly instant: Instant
  readonly schedule: Schedule
  readonly orders: Orders
}

function roomStates(spec: RoomSpec, { instant: { at, local }, schedule, orders }: Around): Sample[] {
  const isOpen = schedule.isDoorOpen(spec, local) || at < orders.doorUntil
  const door = { device: spec.name, property: "door", value: isOpen ? "open" : "closed" }
  const cooling = { device: spec.name, property: "cooling", value: at < orders.boostUntil ? "boost" : "normal" }
  if (spec.defrostsPerDay === 0) return [door, cooling]
  return [door, cooling, { device: spec.name, property: "defrosting", value: schedule.isDefrosting(spec, local) }]
}

function number(device: string, property: string, value: number, unit: string): Sample {
  return { device, property, value, unit }
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits
}
