/**
 * When doors open and when rooms defrost: pure functions of the seed, the room and the local time.
 *
 * Doors follow a working day: busy in the morning and after lunch, quiet at night and on Sunday. On every other day
 * somebody forgets to close the door of a room.
 */
import { type Chance, normal } from "./chance.ts"
import type { RoomSpec } from "./room.ts"

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const defrostMs = 14 * 60_000
/** No opening lasts longer, so that an hour and the one before it tell whether a door is open now. */
const longestOpeningMs = 25 * 60_000
/** Share of days on which a room's door once stays open for many minutes. */
const forgetfulDays = 0.5
const shortestForgottenMs = 9 * 60_000
/** Openings of one door in an hour, at most. */
const maxOpenings = 30

interface Opening {
  readonly from: number
  readonly to: number
}

export interface Schedule {
  isDoorOpen(spec: RoomSpec, local: number): boolean
  isDefrosting(spec: RoomSpec, local: number): boolean
}

export function createSchedule(chance: Chance): Schedule {
  const shifts = new Map<string, number>()
  /** The last two hours of each room. */
  const known = new Map<string, { hour: number; openings: readonly Opening[] }>()

  /** Rooms do not defrost together. */
  function shiftOf(spec: RoomSpec): number {
    const shift = shifts.get(spec.name) ?? chance(spec.name, "defrost")
    shifts.set(spec.name, shift)
    return shift
  }

  function openingsAround(spec: RoomSpec, local: number): readonly Opening[] {
    const hour = Math.floor(local / hourMs)
    let entry = known.get(spec.name)
    if (entry?.hour !== hour) {
      const openings = [...openingsOf(spec, hour - 1, chance), ...openingsOf(spec, hour, chance)]
      entry = { hour, openings }
      known.set(spec.name, entry)
    }
    return entry.openings
  }

  return {
    isDoorOpen: (spec, local) => openingsAround(spec, local).some(({ from, to }) => from <= local && local < to),
    isDefrosting(spec, local) {
      if (spec.defrostsPerDay === 0) return false
      const period = dayMs / spec.defrostsPerDay
      const shift = shiftOf(spec) * period
      return (((local - shift) % period) + period) % period < defrostMs
    },
  }
}

function openingsOf(spec: RoomSpec, hour: number, chance: Chance): Opening[] {
  const expected = spec.openingsPerHour * bustle(hour)
  const hasForgotten = forgottenHour(spec, Math.floor(hour / 24), chance) === hour
  // Rounded at random, so that a rare opening is rare rather than never.
  const drawn = Math.floor(expected * (0.5 + chance(spec.name, "count", hour)) + chance(spec.name, "round", hour))
  const count = Math.min(maxOpenings, Math.max(drawn, hasForgotten ? 1 : 0))
  return Array.from({ length: count }, (_, index) => {
    const draw = (what: string): number => chance(spec.name, what, hour, index)
    const from = hour * hourMs + draw("from") * hourMs
    const isForgotten = hasForgotten && index === 0
    const lengthMs = isForgotten
      ? shortestForgottenMs + draw("length") * (longestOpeningMs - shortestForgottenMs)
      : 40_000 + 18_000 * normal(chance, spec.name, "length", hour, index)
    return { from, to: from + Math.max(10_000, lengthMs) }
  })
}

/** The hour of a day in which a room's door is forgotten, if it is. */
function forgottenHour(spec: RoomSpec, day: number, chance: Chance): number | undefined {
  if (chance(spec.name, "forgetful", day) >= forgetfulDays) return undefined
  return day * 24 + 7 + Math.floor(chance(spec.name, "forgotten", day) * 11)
}

/** How busy an hour is: 1 in a usual working hour. */
function bustle(hour: number): number {
  const ofDay = ((hour % 24) + 24) % 24
  const weekday = new Date(hour * hourMs).getUTCDay()
  const day = weekday === 0 ? 0.15 : weekday === 6 ? 0.6 : 1
  if (ofDay < 5 || ofDay >= 22) return 0.04
  if (ofDay < 7 || ofDay >= 19) return 0.35 * day
  const isPeak = (ofDay >= 8 && ofDay < 11) || (ofDay >= 13 && ofDay < 15)
  return (isPeak ? 1.5 : 0.9) * day
}
