/** Which series a principal that is limited to some devices may touch; what was found out is remembered. */
import { allowsDevice, FogError, type Principal, type ReadingBatch, type Series } from "@brume/core"
import { excerpt } from "./payload/mistakes.ts"

/** Sets of device filters that are remembered; beyond, all are forgotten. */
const maxScopes = 1_000

export class DeviceScopes {
  /** By the filters, because a token's principal may be another object each time. Entries go with their series. */
  readonly #known = new Map<string, WeakMap<Series, boolean>>()
  /** The same by the list that holds the filters: spares joining them where a session keeps its principal. */
  readonly #byList = new WeakMap<readonly string[], WeakMap<Series, boolean>>()

  /** Throws `forbidden` when a reading is of a device that the principal may not write. */
  check(principal: Principal, batch: ReadingBatch): void {
    if (principal.devices === undefined) return
    for (const series of batch.series) if (!this.allows(principal, series)) throw refused(principal, series.device)
  }

  allows(principal: Principal, series: Series): boolean {
    if (principal.devices === undefined) return true
    const known = this.#knownOf(principal.devices)
    let isAllowed = known.get(series)
    if (isAllowed === undefined) {
      isAllowed = allowsDevice(principal, series.device)
      known.set(series, isAllowed)
    }
    return isAllowed
  }

  #knownOf(filters: readonly string[]): WeakMap<Series, boolean> {
    let known = this.#byList.get(filters)
    if (known !== undefined) return known
    const name = filters.join("\n")
    known = this.#known.get(name)
    if (known === undefined) {
      if (this.#known.size >= maxScopes) this.#known.clear()
      known = new WeakMap()
      this.#known.set(name, known)
    }
    this.#byList.set(filters, known)
    return known
  }
}

function refused(principal: Principal, device: string): FogError {
  return new FogError("forbidden", {
    message: `The token ${principal.name} may not write the device ${excerpt(device, 120)}; nothing was stored`,
    hint: `It is limited to ${principal.devices?.join(", ")}.`,
    details: { device },
  })
}
