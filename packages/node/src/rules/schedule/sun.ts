/**
 * Sunrise and sunset by the equations of the NOAA solar calculator: the upper limb at the horizon, with the mean
 * refraction (90.833° from the zenith). Right to about a minute between the polar circles.
 */

const radians = Math.PI / 180
const dayMs = 86_400_000
const zenith = 90.833

export interface Place {
  /** Degrees, north positive. */
  readonly latitude: number
  /** Degrees, east positive. */
  readonly longitude: number
}

export type SunEvent = "sunrise" | "sunset"

/** The first one after this moment; undefined where the sun does neither for a year. ms since 1970 UTC. */
export function nextSun(event: SunEvent, place: Place, afterMs: number): number | undefined {
  // The solar day at this longitude, and the one before, whose end may be still to come.
  const day = Math.floor((afterMs + (place.longitude / 360) * dayMs) / dayMs)
  for (let offset = -1; offset <= 366; offset++) {
    const moment = sunMoment(event, place, day + offset)
    if (moment !== undefined && moment > afterMs) return moment
  }
  return undefined
}

/** Of one solar day; more than once, as the sun moves on between noon and the event. */
function sunMoment(event: SunEvent, { latitude, longitude }: Place, day: number): number | undefined {
  let ms = day * dayMs + dayMs / 2 - (longitude / 360) * dayMs
  for (let round = 0; round < 3; round++) {
    const { declination, equationOfTime } = sunAt(ms)
    const cosine =
      Math.cos(zenith * radians) / (Math.cos(latitude * radians) * Math.cos(declination)) -
      Math.tan(latitude * radians) * Math.tan(declination)
    if (cosine < -1 || cosine > 1) return undefined
    const hourAngle = Math.acos(cosine) / radians
    const minutes = 720 - 4 * (longitude + (event === "sunrise" ? hourAngle : -hourAngle)) - equationOfTime
    ms = day * dayMs + minutes * 60_000
  }
  return Math.round(ms / 1_000) * 1_000
}

/** Declination in radians, equation of time in minutes. */
function sunAt(ms: number): { readonly declination: number; readonly equationOfTime: number } {
  const century = (ms / dayMs + 2_440_587.5 - 2_451_545) / 36_525
  const meanLongitude = (280.46646 + century * (36_000.76983 + century * 0.0003032)) % 360
  const anomaly = (357.52911 + century * (35_999.05029 - 0.0001537 * century)) * radians
  const eccentricity = 0.016708634 - century * (0.000042037 + 0.0000001267 * century)
  const centre =
    Math.sin(anomaly) * (1.914602 - century * (0.004817 + 0.000014 * century)) +
    Math.sin(2 * anomaly) * (0.019993 - 0.000101 * century) +
    Math.sin(3 * anomaly) * 0.000289
  const node = (125.04 - 1_934.136 * century) * radians
  const apparent = (meanLongitude + centre - 0.00569 - 0.00478 * Math.sin(node)) * radians
  const meanObliquity = 23 + (26 + (21.448 - century * (46.815 + century * (0.00059 - century * 0.001813))) / 60) / 60
  const obliquity = (meanObliquity + 0.00256 * Math.cos(node)) * radians
  const y = Math.tan(obliquity / 2) ** 2
  const doubled = 2 * meanLongitude * radians
  const equation =
    y * Math.sin(doubled) -
    2 * eccentricity * Math.sin(anomaly) +
    4 * eccentricity * y * Math.sin(anomaly) * Math.cos(doubled) -
    0.5 * y * y * Math.sin(2 * doubled) -
    1.25 * eccentricity * eccentricity * Math.sin(2 * anomaly)
  return {
    declination: Math.asin(Math.sin(obliquity) * Math.sin(apparent)),
    equationOfTime: (4 * equation) / radians,
  }
}
