/**
 * Which sites may speak to this node at all: the Host and Origin of a request, checked before anything else. (A6)
 *
 * A web page of a stranger can make a browser send requests to a node on the same machine or network. Two checks stop
 * it: the Host header must be an address or a name that is known to be this node (a rebound name of the stranger is
 * neither), and an Origin, where there is one, must be the node itself or a site from `allowedOrigins`.
 */
import { isIP } from "node:net"
import { FogError } from "@brume/core"

export interface GateOptions {
  /** Host part of the address on which the node listens. */
  readonly listenHost: string
  /** Further names of this node, with or without a port. */
  readonly allowedHosts: readonly string[]
  /** Origins such as `https://example.org`. */
  readonly allowedOrigins: readonly string[]
}

export interface Gate {
  /** Throws `host_refused`. @param host the Host header */
  checkHost(host: string): void
  /** True when the origin is another, allowed site (it needs CORS headers). Throws `origin_refused`. */
  checkOrigin(origin: string, host: string): boolean
}

export function createGate(options: GateOptions): Gate {
  const names = new Set(["localhost", nameOf(options.listenHost), ...options.allowedHosts.map(nameOf)])
  const origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase().replace(/\/$/, "")))
  // Nearly all requests of a connection name the same host.
  let lastAccepted: string | undefined

  return {
    checkHost(host) {
      if (host === lastAccepted) return
      const name = nameOf(host)
      if (!names.has(name) && !name.endsWith(".localhost") && isIP(name) === 0) throw hostRefused(host)
      lastAccepted = host
    },
    checkOrigin(origin, host) {
      const asked = origin.toLowerCase()
      const own = host.toLowerCase()
      if (asked === `http://${own}` || asked === `https://${own}`) return false
      if (origins.has(asked)) return true
      throw new FogError("origin_refused", {
        message: `Pages of ${JSON.stringify(origin.slice(0, 200))} may not call this node`,
        hint: "Add the origin to api.allowedOrigins if you trust every page of it.",
      })
    },
  }
}

/** The host without its port, brackets, trailing dot and capitals. */
function nameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\](:\d*)?$/.exec(host)
  const name = bracketed === null ? host.replace(/:\d*$/, "") : bracketed[1]!
  return name.toLowerCase().replace(/\.$/, "")
}

function hostRefused(host: string): FogError {
  return new FogError("host_refused", {
    message: `This node is not known as ${JSON.stringify(host.slice(0, 200))}`,
    hint: "Add the name to api.allowedHosts, or use the node's IP address.",
  })
}

/** What every answer carries. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
}

/** For pages that this node serves: their own files, and requests back to the node. */
export const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const preflightHeaders = {
  "access-control-allow-methods": "GET, HEAD, POST, PATCH, DELETE",
  "access-control-allow-headers": "authorization, content-type, content-encoding, idempotency-key, x-request-id",
  "access-control-max-age": "600",
  // Browsers ask before a public page calls a node in a private network.
  "access-control-allow-private-network": "true",
} as const

/** CORS headers for an allowed site. Credentials stay out: tokens travel in a header that the page sets itself. */
export function corsHeaders(origin: string, isPreflight: boolean): Readonly<Record<string, string>> {
  return {
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "x-request-id, x-query-id, retry-after",
    vary: "origin",
    ...(isPreflight ? preflightHeaders : {}),
  }
}
