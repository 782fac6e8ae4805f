/** Names of hosts as addresses. */
import { lookup } from "node:dns/promises"

export interface HostAddress {
  readonly address: string
  readonly family: number
}

/** All addresses of a name. Throws when there are none. */
export type Resolve = (host: string) => Promise<readonly HostAddress[]>

/** Names that are resolved at once: each occupies a thread of the pool that syncs the log. */
const maxResolving = 2

/** So many at once; the others wait in order. */
export function resolveInTurn(resolve: Resolve = (host) => lookup(host, { all: true })): Resolve {
  const waiting: (() => void)[] = []
  let running = 0
  return async (host) => {
    if (running >= maxResolving) await new Promise<void>((go) => void waiting.push(go))
    else running++
    try {
      return await resolve(host)
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
