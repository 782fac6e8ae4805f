/** What somebody may publish and subscribe: permissions with their patterns filled in, and what a token allows. */
import { allows, coversFilter, filterProblem, matchesFilter, type Permissions, type Principal } from "@brume/core"

export type SubscribeVerdict = "allowed" | "refused"

/** A subscription that several clients share. [MQTT-4.8.2-1] */
const sharedFilter = /^\$share\/[^/]+\/(.+)$/s
/** Below this topic devices send their readings, each below its name. */
const devicesPrefix = "devices/"

/** Who a pattern speaks of. */
export interface Named {
  readonly username: string
  readonly clientId: string
}

export function mayPublish({ publish }: Permissions, topic: string): boolean {
  return publish.some((filter) => matchesFilter(filter, topic))
}

export function maySubscribe({ subscribe }: Permissions, filter: string): SubscribeVerdict {
  const inner = sharedFilter.exec(filter)?.[1] ?? filter
  return filterProblem(inner) === undefined && coversFilter(subscribe, inner) ? "allowed" : "refused"
}

/** Whether every topic that does not begin with `$` may be published and subscribed. */
export function isUnrestricted({ publish, subscribe }: Permissions): boolean {
  return publish.includes("#") && subscribe.includes("#")
}

/** Filters without patterns. A client id that could change what a filter means fills none. */
export function filledIn({ publish, subscribe }: Permissions, { username, clientId }: Named): Permissions {
  const isPlain = clientId !== "" && !/^\$|[/+#\p{Cc}]/u.test(clientId)
  const fill = (filters: readonly string[]): string[] =>
    filters
      .filter((filter) => isPlain || !filter.includes("%c"))
      // One pass, so that a name which contains %c stays what it is.
      .map((filter) => filter.replace(/%[uc]/g, (pattern) => (pattern === "%u" ? username : clientId)))
  return { publish: fill(publish), subscribe: fill(subscribe) }
}

/** What a token's scopes and devices allow. */
export function permissionsOf(principal: Principal): Permissions {
  const { devices } = principal
  const own = devices === undefined ? ["#"] : devices.flatMap(deviceFilters)
  const subscribe = allows(principal, "read") ? own : []
  return {
    publish: allows(principal, "write") ? own : [],
    // No wildcard at the start fits what the node says of itself. [MQTT-4.7.2-1]
    subscribe: allows(principal, "admin") ? [...subscribe, "$SYS/#"] : subscribe,
  }
}

/** A device's own topic, and what is below it. */
function deviceFilters(device: string): string[] {
  const own = devicesPrefix + device
  return device === "#" || device.endsWith("/#") ? [own] : [own, `${own}/#`]
}

/**
 * The devices whose readings somebody may send: those below whose topics all that may be published lies. Undefined, which
 * is no limit, where other topics may be published too: then a mapping says whose readings they carry.
 */
export function devicesOf({ publish }: Permissions): readonly string[] | undefined {
  if (!publish.every((filter) => filter.startsWith(devicesPrefix))) return undefined
  return publish.map((filter) => filter.slice(devicesPrefix.length)).filter((filter) => filter !== "")
}
