/** How many bytes of request bodies may lie in memory at once, over all connections. (A3) */
export interface BodyBudget {
  /** False when the limit would be passed; nothing is taken then. */
  take(bytes: number): boolean
  give(bytes: number): void
  readonly taken: number
}

export function createBodyBudget(limitBytes: number): BodyBudget {
  let taken = 0
  return {
    take(bytes) {
      if (taken + bytes > limitBytes) return false
      taken += bytes
      return true
    },
    give(bytes) {
      taken -= bytes
    },
    get taken() {
      return taken
    },
  }
}
