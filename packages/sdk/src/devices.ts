/** Devices of a node, with their latest values. */

import type { LiveReading } from "./live/live.ts"
import { foreignAnswer, isRecord } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** A device, with the newest reading of each of its series. */
export interface Device {
  readonly device: string
  /** When the node last took in a reading of it, ISO 8601. */
  readonly received: string
  readonly latest: readonly LiveReading[]
}

export interface Devices {
  /** All devices that the token may see, by name; asks for further pages as you go on. */
  list(options?: DeviceListOptions): AsyncGenerator<Device, void, undefined>
  /** Throws `device_not_found`. */
  get(device: string, options?: { readonly signal?: AbortSignal }): Promise<Device>
}

export interface DeviceListOptions {
  /** Filters with MQTT wildcards. @default every device */
  readonly devices?: readonly string[]
  /** Devices asked for at once. @default the node's page size */
  readonly pageSize?: number
  readonly signal?: AbortSignal
}

export function createDevices(transport: Transport): Devices {
  return {
    async *list(options = {}) {
      let cursor: string | undefined
      do {
        const search = new URLSearchParams()
        for (const filter of options.devices ?? []) search.append("device", filter)
        if (options.pageSize !== undefined) search.set("limit", String(options.pageSize))
        if (cursor !== undefined) search.set("cursor", cursor)
        const { signal } = options
        const page = expectObject(
          await transport.json({ method: "GET", path: "v1/devices", search, isIdempotent: true, signal }),
          transport.base,
        )
        if (!Array.isArray(page.devices)) throw foreignAnswer(transport.base.href, "its answer has no devices")
        yield* page.devices.filter(isRecord) as unknown as Device[]
        cursor = typeof page.cursor === "string" ? page.cursor : undefined
      } while (cursor !== undefined)
    },
    async get(device, options = {}) {
      const path = `v1/devices/${encodeURIComponent(device)}`
      const { signal } = options
      return expectObject(
        await transport.json({ method: "GET", path, isIdempotent: true, signal }),
        transport.base,
      ) as unknown as Device
    },
  }
}
