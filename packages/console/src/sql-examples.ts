/** Statements to begin with, written for the series that is being looked at. */
import type { SeriesId } from "./series.ts"

export interface Example {
  readonly name: string
  readonly sql: string
}

export function sqlExamples(series: SeriesId | undefined): Example[] {
  const device = literal(series?.device ?? "fridge-1")
  const property = literal(series?.property ?? "temperature")
  return [
    {
      name: "Latest values",
      sql: "SELECT device, property, value, text, time\nFROM latest\nORDER BY device, property",
    },
    {
      name: "By the hour",
      sql: `SELECT time_bucket(INTERVAL '1 hour', time) AS hour,
  round(min(value), 2) AS lowest, round(avg(value), 2) AS average, round(max(value), 2) AS highest
FROM readings
WHERE device = ${device} AND property = ${property}
GROUP BY hour
ORDER BY hour DESC
LIMIT 24`,
    },
    {
      name: "Devices compared",
      sql: `SELECT device, count(*) AS readings, round(quantile_cont(value, 0.5), 2) AS median,
  round(quantile_cont(value, 0.95), 2) AS p95, round(max(value), 2) AS highest
FROM readings
WHERE property = ${property} AND time > now() - INTERVAL '1 day'
GROUP BY device
ORDER BY highest DESC`,
    },
    {
      name: "Readings per minute",
      sql: `SELECT date_trunc('minute', received) AS minute, count(*) AS readings, count(DISTINCT device) AS devices
FROM readings
WHERE received > now() - INTERVAL '15 minutes'
GROUP BY minute
ORDER BY minute DESC`,
    },
    {
      name: "Silent devices",
      sql: `SELECT device, max(time) AS last_reading
FROM latest
GROUP BY device
HAVING max(time) < now() - INTERVAL '10 minutes'
ORDER BY last_reading`,
    },
  ]
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
