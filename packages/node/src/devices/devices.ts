/**
 * Devices: what feeds the node, and what it knows of them. A device exists once a reading of it is stored.
 *
 * - `payload/` turns the bytes of requests into batches of readings (invariants P1 to P4 there);
 * - `ingest.ts` stores them: allowed, durable, once per Idempotency-Key (K1 to K3 in `idempotency.ts`);
 * - `devices.ts`, this file, lists devices with their latest readings;
 * - `live.ts` hands readings on to whoever listens (L1 to L4 there).
 *
 * Invariants of all:
 * - D1. A promise of the ingest resolves only when the readings are durable, and live streams see no others.
 * - D2. A principal that is limited to some devices writes, lists and hears only those.
 * - D3. Caches, queues and remembered keys have written limits; what a request may cost grows with its size alone.
 *
 * It is not the store: nothing here survives a crash but the records that it hands to the store. It knows no HTTP.
 */
import { allowsDevice, FogError, type Principal, type Query, type QueryRow, type Reading } from "@brume/core"
import { deviceCondition } from "./device-filter.ts"
import { excerpt } from "./payload/mistakes.ts"

export interface DevicesOptions {
  /** Trusted SQL over the view `latest`. */
  readonly query: Pick<Query, "rows">
}

export interface KnownDevice {
  readonly device: string
  /** When the node last received a reading of it, µs since 1970 UTC. */
  readonly received: number
  /** How many series it has. */
  readonly series: number
  /** The newest reading of each, by property and tags; the first {@link maxReadings} where there are more. */
  readonly latest: readonly Reading[]
}

export interface DevicePageRequest {
  readonly principal: Principal
  /** Most devices in the page. */
  readonly limit: number
  /** Only devices whose names sort behind this one (by UTF-8 bytes). */
  readonly after: string | undefined
  /** Well-formed filters with MQTT wildcards; undefined means all. */
  readonly devices: readonly string[] | undefined
}

export interface DevicePage {
  readonly devices: readonly KnownDevice[]
  /** The name to go on after, where there are more. A page may end before its limit. */
  readonly next: string | undefined
}

export interface Devices {
  /** By name. Rejects with what the query throws. */
  list(request: DevicePageRequest): Promise<DevicePage>
  /** Rejects with `device_not_found`, with near names as its hint, and with `forbidden`. */
  get(device: string, principal: Principal): Promise<KnownDevice>
}

/** Readings of one device, and about the number at which a page ends: some 3 MB as JSON. */
const maxReadings = 10_000

const readingColumns = "time, received, device, property, value, text, json, tags, quality, node, epoch, seq"

export function createDevices({ query }: DevicesOptions): Devices {
  /** The readings of devices between two names, in the order of the page. */
  const readings = async (first: string, last: string, groups: Groups): Promise<Map<string, Reading[]>> => {
    const { sql, parameters } = deviceCondition(groups, 3)
    const rows = await query.rows(
      `SELECT ${readingColumns} FROM latest WHERE device >= $1 AND device <= $2 AND ${sql}
       QUALIFY row_number() OVER (PARTITION BY device ORDER BY property, tags) <= ${maxReadings}
       ORDER BY device, property, tags`,
      [first, last, ...parameters],
    )
    const byDevice = new Map<string, Reading[]>()
    for (const row of rows) {
      const reading = readingOf(row)
      const known = byDevice.get(reading.device)
      if (known === undefined) byDevice.set(reading.device, [reading])
      else known.push(reading)
    }
    return byDevice
  }
  return {
    async list({ principal, limit, after, devices }) {
      const groups = [principal.devices, devices]
      const { sql, parameters } = deviceCondition(groups, 2)
      const names = await query.rows(
        `SELECT device, count(*) AS series, max(received) AS received FROM latest
         WHERE device > $1 AND ${sql} GROUP BY device ORDER BY device LIMIT ${limit + 1}`,
        [after ?? "", ...parameters],
      )
      const page = names.slice(0, fitting(names, limit))
      if (page.length === 0) return { devices: [], next: undefined }
      const last = page.at(-1)!.device as string
      const latest = await readings(page[0]!.device as string, last, groups)
      return {
        devices: page.map(({ device, series, received }) => ({
          device: device as string,
          received: received as number,
          series: Number(series),
          latest: latest.get(device as string) ?? [],
        })),
        next: page.length < names.length ? last : undefined,
      }
    },
    async get(device, principal) {
      if (!allowsDevice(principal, device)) throw forbidden(device, principal)
      const [found] = await query.rows(
        "SELECT count(*) AS series, max(received) AS received FROM latest WHERE device = $1",
        [device],
      )
      const series = Number(found?.series ?? 0)
      if (series === 0) throw notFound(device, await nearNames(query, device, principal))
      const latest = await readings(device, device, [])
      return { device, received: found!.received as number, series, latest: latest.get(device) ?? [] }
    },
  }
}

type Groups = readonly (readonly string[] | undefined)[]

/** How many of the devices make a page: at most `limit`, fewer when they have many series, at least one. */
function fitting(names: readonly QueryRow[], limit: number): number {
  let total = 0
  let count = 0
  while (count < Math.min(limit, names.length)) {
    total += Math.min(Number(names[count]!.series), maxReadings)
    if (count > 0 && total > maxReadings) break
    count++
  }
  return count
}

function readingOf(row: QueryRow): Reading {
  return {
    time: row.time as number,
    received: row.received as number,
    device: row.device as string,
    property: row.property as string,
    value: row.value as number | null,
    text: row.text as string | null,
    json: row.json as string | null,
    tags: row.tags as string,
    quality: row.quality as number,
    node: row.node as string,
    epoch: row.epoch as string,
    seq: row.seq as number,
  }
}

/** Names that look like a misspelled one, among those that the principal may see. */
async function nearNames({ rows }: Pick<Query, "rows">, device: string, principal: Principal): Promise<string[]> {
  const { sql, parameters } = deviceCondition([principal.devices], 2)
  const found = await rows(
    `SELECT device FROM (SELECT DISTINCT device FROM latest WHERE ${sql})
     WHERE jaro_winkler_similarity(lower(device), lower($1)) >= 0.8
     ORDER BY jaro_winkler_similarity(lower(device), lower($1)) DESC, device LIMIT 3`,
    [device, ...parameters],
  )
  return found.map((row) => row.device as string)
}

function notFound(device: string, near: readonly string[]): FogError {
  return new FogError("device_not_found", {
    message: `No reading of the device ${excerpt(device, 120)} is stored`,
    hint:
      near.length === 0
        ? "List the devices to see what has reported so far; names are case-sensitive."
        : `Did you mean ${near.join(" or ")}?`,
  })
}

function forbidden(device: string, principal: Principal): FogError {
  return new FogError("forbidden", {
    message: `The token ${principal.name} may not see the device ${excerpt(device, 120)}`,
    hint: `It is limited to ${principal.devices?.join(", ")}.`,
  })
}
