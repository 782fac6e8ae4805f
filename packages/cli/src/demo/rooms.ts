/** The rooms of the demo's site: what they hold, how well they are built, how busy they are. */
import type { Chance } from "./chance.ts"
import type { RoomSpec } from "./room.ts"

/** In the order in which `--devices` takes them. */
export const weatherStation = "roof/weather-station"

const vaccineFridge: RoomSpec = {
  name: "pharmacy/vaccine-fridge",
  setpoint: 5,
  band: 0.6,
  airCapacity: 22,
  goodsCapacity: 160,
  wall: 1.6,
  goods: 3,
  openDoor: 18,
  inside: 6,
  cooling: 110,
  openingsPerHour: 1.5,
  defrostsPerDay: 0,
  around: "hall",
}

const dairy: RoomSpec = {
  name: "hall-a/dairy",
  setpoint: 4,
  band: 0.8,
  airCapacity: 900,
  goodsCapacity: 24_000,
  wall: 55,
  goods: 130,
  openDoor: 260,
  inside: 220,
  cooling: 3_200,
  openingsPerHour: 7,
  defrostsPerDay: 3,
  around: "hall",
}

const freezer: RoomSpec = {
  name: "hall-b/freezer",
  setpoint: -20,
  band: 1,
  airCapacity: 1_300,
  goodsCapacity: 60_000,
  wall: 38,
  goods: 220,
  openDoor: 300,
  inside: 260,
  cooling: 5_400,
  openingsPerHour: 3,
  defrostsPerDay: 4,
  around: "hall",
}

const loadingDock: RoomSpec = {
  name: "dock/loading-dock",
  setpoint: 10,
  band: 1.2,
  airCapacity: 3_600,
  goodsCapacity: 18_000,
  wall: 240,
  goods: 320,
  openDoor: 1_900,
  inside: 2_600,
  cooling: 14_000,
  openingsPerHour: 5,
  defrostsPerDay: 0,
  around: "outdoors",
}

const produce: RoomSpec = {
  ...dairy,
  name: "hall-a/produce",
  setpoint: 8,
  band: 1,
  goodsCapacity: 30_000,
  inside: 480,
  openingsPerHour: 9,
  defrostsPerDay: 1,
}

const meat: RoomSpec = { ...dairy, name: "hall-a/meat", setpoint: 1, band: 0.7, openingsPerHour: 5, defrostsPerDay: 4 }

const iceCream: RoomSpec = {
  ...freezer,
  name: "hall-b/ice-cream",
  setpoint: -25,
  band: 0.9,
  airCapacity: 800,
  goodsCapacity: 26_000,
  wall: 26,
  goods: 150,
  cooling: 4_600,
  openingsPerHour: 1.5,
}

const builtFirst: readonly RoomSpec[] = [vaccineFridge, dairy, freezer, loadingDock, produce, meat, iceCream]

/** As many rooms as asked for: the seven above, then more of their kind, none quite like another. */
export function planRooms(count: number, chance: Chance): RoomSpec[] {
  return Array.from({ length: count }, (_, index) => {
    const spec = builtFirst[index % builtFirst.length]!
    const round = Math.floor(index / builtFirst.length)
    if (round === 0) return spec
    const name = `${spec.name}-${round + 1}`
    const vary = (value: number, what: string): number => value * (0.85 + 0.3 * chance(name, what))
    return {
      ...spec,
      name,
      wall: vary(spec.wall, "wall"),
      airCapacity: vary(spec.airCapacity, "air"),
      goodsCapacity: vary(spec.goodsCapacity, "goods"),
      openingsPerHour: vary(spec.openingsPerHour, "door"),
    }
  })
}
