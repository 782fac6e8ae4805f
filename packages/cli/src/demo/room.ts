/**
 * One cold room as a small physical model: air, goods and walls that store heat, a compressor with hysteresis,
 * a door, and defrosting.
 *
 *     C_air   dT_air/dt   = UA_wall (T_around − T_air) + UA_goods (T_goods − T_air) + G_door (T_around − T_air)
 *                           + P_inside + P_heater − Q_cooling
 *     C_goods dT_goods/dt = UA_goods (T_air − T_goods)
 *
 * R1: the compressor starts above setpoint + band and stops below setpoint − band, and it rests and runs for at least
 *     three minutes each, as a real one must.
 * R2: it never cools while the room defrosts.
 * R3: boosted, it cools harder and towards a lower temperature.
 *
 * It is not a tool for engineers: the constants give plausible curves, not any particular machine.
 */

export interface RoomSpec {
  readonly name: string
  /** °C. */
  readonly setpoint: number
  /** Half the width of the hysteresis, K. */
  readonly band: number
  /** Heat capacities, kJ/K. */
  readonly airCapacity: number
  readonly goodsCapacity: number
  /** Heat transfer, W/K. */
  readonly wall: number
  readonly goods: number
  /** Extra transfer while the door is open, W/K. */
  readonly openDoor: number
  /** Lamps, fans, people; W. */
  readonly inside: number
  /** Heat that a running compressor takes out, W. */
  readonly cooling: number
  /** Door openings in a working hour, on average. */
  readonly openingsPerHour: number
  /** Times of defrosting per day; 0 for rooms that never freeze over. */
  readonly defrostsPerDay: number
  /** What the room stands in: a heated hall, or the open air behind a wall. */
  readonly around: "hall" | "outdoors"
}

export interface RoomState {
  air: number
  goods: number
  /** Relative humidity, %. */
  humidity: number
  isCooling: boolean
  /** How long the compressor has run or rested, s. */
  sinceSwitch: number
  /** Electrical power of compressor, fans and heater, W. */
  power: number
}

/** What surrounds a room during one step. */
export interface Surroundings {
  readonly outdoors: number
  readonly hall: number
  readonly outdoorHumidity: number
  readonly isDoorOpen: boolean
  readonly isDefrosting: boolean
  readonly isBoosted: boolean
}

const shortestRunSeconds = 180
/** Power of the defrost heater per W of cooling. */
const heaterShare = 0.35
/** Evaporator fans and control, W per W of cooling. */
const standbyShare = 0.02
/** What a boost adds to the cooling, as a share of it, and by how much it lowers the setpoint, K. */
const boostShare = 0.5
const boostKelvin = 2

/** What the sensors of a room showed last. */
export interface LastShown {
  readonly temperature: number
  readonly humidity: number
  readonly power: number
}

/** A room at its setpoint, or as its sensors showed it last; the goods inside follow the air slowly. */
export function createRoom(spec: RoomSpec, last?: LastShown): RoomState {
  const air = last?.temperature ?? spec.setpoint
  return {
    air,
    goods: spec.setpoint + 0.3 * (air - spec.setpoint),
    humidity: last?.humidity ?? 75,
    isCooling: last !== undefined && last.power > spec.cooling * (standbyShare + heaterShare) * 0.5,
    sinceSwitch: shortestRunSeconds,
    power: last?.power ?? 0,
  }
}

/** Moves a room on by `seconds`; at most 10 at once, or the explicit integration becomes coarse. */
export function stepRoom(room: RoomState, spec: RoomSpec, around: Surroundings, seconds: number): void {
  switchCompressor(room, spec, around, seconds)
  const outside = spec.around === "hall" ? around.hall : around.outdoors
  const isCooling = room.isCooling && !around.isDefrosting // R2
  const cooling = spec.cooling * (around.isBoosted ? 1 + boostShare : 1) // R3
  const heater = around.isDefrosting ? spec.cooling * heaterShare : 0
  const transfer = spec.wall + (around.isDoorOpen ? spec.openDoor : 0)
  const intoAir =
    transfer * (outside - room.air) +
    spec.goods * (room.goods - room.air) +
    spec.inside +
    // Most of the heater's work melts ice and leaves with the water.
    heater * 0.5 -
    (isCooling ? cooling : 0)
  room.goods += (spec.goods * (room.air - room.goods) * seconds) / (spec.goodsCapacity * 1_000)
  room.air += (intoAir * seconds) / (spec.airCapacity * 1_000)
  room.humidity += ((humidityTarget(spec, around, isCooling) - room.humidity) * seconds) / humidityTime(around)
  room.power = spec.cooling * standbyShare + heater + (isCooling ? cooling / efficiency(room.air, around.outdoors) : 0)
}

/** R1 */
function switchCompressor(
  room: RoomState,
  spec: RoomSpec,
  { isDefrosting, isBoosted }: Surroundings,
  seconds: number,
): void {
  room.sinceSwitch += seconds
  const setpoint = spec.setpoint - (isBoosted ? boostKelvin : 0)
  const wanted = isDefrosting
    ? false
    : room.air > setpoint + spec.band || (room.isCooling && room.air > setpoint - spec.band)
  if (wanted === room.isCooling || (room.sinceSwitch < shortestRunSeconds && !isDefrosting && !isBoosted)) return
  room.isCooling = wanted
  room.sinceSwitch = 0
}

/** Cooling per electrical power: a third of what physics allows between the room and the condenser outdoors. */
function efficiency(air: number, outdoors: number): number {
  const evaporator = air - 8 + 273.15
  const condenser = Math.max(outdoors, 5) + 12 + 273.15
  return Math.min(6, (0.42 * evaporator) / Math.max(10, condenser - evaporator))
}

function humidityTarget(spec: RoomSpec, around: Surroundings, isCooling: boolean): number {
  if (around.isDoorOpen) return Math.min(95, around.outdoorHumidity + 10)
  if (around.isDefrosting) return 92
  return (isCooling ? 62 : 80) + (spec.setpoint < -5 ? 4 : 0)
}

/** Time constant, s. */
function humidityTime(around: Surroundings): number {
  return around.isDoorOpen ? 180 : 900
}
