/** Checks the description of a new token; it comes from outside. */
import { FogError, filterProblem, maxNameLength, maxTimeUs, nameProblem, scopes, type TokenRequest } from "@brume/core"

const mostFilters = 64

/** The request with only what belongs to it. Throws `token_invalid` with all its mistakes. */
export function admitTokenRequest(request: TokenRequest, now: number): TokenRequest {
  const mistakes = [
    ...nameMistakes(request.name),
    ...scopeMistakes(request.scopes),
    ...deviceMistakes(request),
    ...expiryMistakes(request.expires, now),
  ]
  if (mistakes.length > 0)
    throw new FogError("token_invalid", {
      message: `The new token is malformed: ${mistakes.join("; ")}`,
      hint: "A token has a name, scopes of admin, read and write, and may have device filters and an expiry.",
      details: { mistakes },
    })
  const { name, devices, expires } = request
  return {
    name,
    scopes: scopes.filter((scope) => request.scopes.includes(scope)),
    ...(devices === undefined ? {} : { devices: [...new Set(devices)] }),
    ...(expires === undefined ? {} : { expires }),
  }
}

function nameMistakes(name: unknown): string[] {
  const problem = typeof name === "string" ? nameProblem(name) : "is missing"
  return problem === undefined ? [] : [`its name ${problem}`]
}

function scopeMistakes(given: unknown): string[] {
  if (!Array.isArray(given) || given.length === 0) return ["it has no scopes"]
  const odd = given.filter((scope) => !scopes.some((known) => known === scope))
  return odd.length === 0
    ? []
    : [`it has scopes that do not exist: ${odd.slice(0, 8).map(String).join(", ").slice(0, 200)}`]
}

function deviceMistakes({ devices, scopes: given }: TokenRequest): string[] {
  if (devices === undefined) return []
  if (!Array.isArray(devices) || devices.length === 0) return ["its list of device filters is empty"]
  if (devices.length > mostFilters) return [`it has more than ${mostFilters} device filters`]
  const mistakes = devices.flatMap((filter: unknown) => {
    const problem = typeof filter === "string" ? (lengthProblem(filter) ?? filterProblem(filter)) : "is no text"
    return problem === undefined ? [] : [`its device filter ${JSON.stringify(String(filter).slice(0, 80))} ${problem}`]
  })
  // An admin makes tokens, and so would pass any limit of its own.
  if (Array.isArray(given) && given.includes("admin")) mistakes.push("an admin token cannot be limited to devices")
  return mistakes
}

function lengthProblem(filter: string): string | undefined {
  return filter.length > maxNameLength ? `is longer than ${maxNameLength} characters` : undefined
}

function expiryMistakes(expires: unknown, now: number): string[] {
  if (expires === undefined) return []
  if (typeof expires !== "number" || !Number.isInteger(expires) || expires > maxTimeUs)
    return ["its expiry is no time in µs since 1970"]
  return expires > now ? [] : ["its expiry has passed already"]
}
