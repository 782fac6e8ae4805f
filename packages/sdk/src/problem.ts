/**
 * What went wrong, as a FogError: from a problem body (RFC 9457), from an answer that is none, or from a connection
 * that failed.
 */
import { type ErrorCode, errorRegistry, FogError } from "@brume/core"

/** Longest problem body that is read, bytes. */
const maxProblemBytes = 1_048_576

/** For answers without a known code: an old node, a newer one, or a proxy in between. */
const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  400: "request_invalid",
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  405: "method_not_allowed",
  408: "request_timeout",
  413: "payload_too_large",
  415: "payload_type",
  421: "host_refused",
  429: "too_many_connections",
  502: "node_unreachable",
  503: "too_many_connections",
  504: "node_unreachable",
  507: "store_full",
}

/** The error of an answer whose status is not a success. Reads the body. */
export async function problemOf(response: Response, url: string): Promise<FogError> {
  const retryAfterMs = retryAfter(response.headers.get("retry-after"))
  const body = await problemBody(response)
  const known = typeof body?.code === "string" && Object.hasOwn(errorRegistry, body.code)
  const code = known ? (body.code as ErrorCode) : (codeByStatus[response.status] ?? fallbackCode(response.status))
  const details = {
    ...(isRecord(body?.details) ? body.details : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(known || typeof body?.code !== "string" ? {} : { code: body.code }),
  }
  return new FogError(code, {
    message: typeof body?.detail === "string" ? body.detail : `${url} answered ${response.status} without a reason`,
    ...(typeof body?.hint === "string" ? { hint: body.hint } : known ? {} : { hint: foreignHint }),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  })
}

/** A problem body that stands inside of an answer. */
export function fogErrorOf(body: Readonly<Record<string, unknown>>): FogError {
  const known = typeof body.code === "string" && Object.hasOwn(errorRegistry, body.code)
  return new FogError(known ? (body.code as ErrorCode) : "internal", {
    message: typeof body.detail === "string" ? body.detail : "The node gave no reason",
    ...(typeof body.hint === "string" ? { hint: body.hint } : {}),
    ...(isRecord(body.details) ? { details: body.details } : {}),
  })
}

const foreignHint = "Check that this is the URL of a Brume node, and what stands between it and you."

/** An answer that no Brume node gives. */
export function foreignAnswer(url: string, why: string, cause?: unknown): FogError {
  return new FogError("node_unreachable", {
    message: `${url} does not answer like a Brume node: ${why}`,
    hint: foreignHint,
    cause,
  })
}

/** A connection that could not be made, or broke. */
export function unreachable(url: string, cause: unknown): FogError {
  const { why, hint } = connectionFailure(systemCode(cause), cause)
  return new FogError("node_unreachable", { message: `Cannot reach ${url}: ${why}`, hint, cause })
}

/** No answer within the time that the caller was willing to wait. */
export function tooSlow(url: string, timeoutMs: number): FogError {
  return new FogError("node_unreachable", {
    message: `${url} did not answer within ${timeoutMs} ms`,
    hint: "Check that the node is alive and not overloaded, or allow more time.",
  })
}

/** The system's word for a failed connection, e.g. ECONNREFUSED; fetch and ws hide it in different places. */
export function systemCode(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at instanceof AggregateError) {
      const inner = at.errors.map(systemCode).find((code) => code !== undefined)
      if (inner !== undefined) return inner
    }
    const code = (at as { code?: unknown }).code
    if (typeof code === "string" && code !== "") return code
  }
  return undefined
}

function connectionFailure(code: string | undefined, cause: unknown): { why: string; hint: string } {
  switch (code) {
    case "ECONNREFUSED":
      return { why: "nothing listens there", hint: "Start a node with `brume up`, or give the URL of one that runs." }
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return { why: "its host name cannot be resolved", hint: "Check the URL and the name service of this machine." }
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
      return { why: "the connection broke", hint: "The node may be stopping; try again, and look into its log." }
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return { why: "it does not answer in time", hint: "Check the network between here and the node, and its load." }
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ENETDOWN":
      return { why: "no route leads there", hint: "Check the network between here and the node." }
    case "EPROTO":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return { why: "it does not speak TLS", hint: "Use http:// in the URL if the node is reached without TLS." }
    case undefined:
      return { why: `the connection failed (${innermost(cause)})`, hint: failureHint }
    default:
      return /CERT|SIGNATURE|ISSUER|TLS/.test(code)
        ? {
            why: `its certificate is not trusted (${code})`,
            hint: "Give this machine the issuer (NODE_EXTRA_CA_CERTS).",
          }
        : { why: `the connection failed (${code})`, hint: "Check the URL, and that the node is running." }
  }
}

const failureHint =
  globalThis.process?.versions?.node === undefined
    ? "Is the node running? Its api.allowedOrigins must name this page's origin."
    : "Check the URL, and that the node is running."

/** fetch says only that it failed; what it wraps says why. */
function innermost(error: unknown): string {
  let at = error
  for (let depth = 0; at instanceof Error && at.cause instanceof Error && depth < 8; depth++) at = at.cause
  return at instanceof Error ? at.message : String(at)
}

function fallbackCode(status: number): ErrorCode {
  return status >= 400 && status < 500 ? "request_invalid" : "internal"
}

async function problemBody(response: Response): Promise<Record<string, unknown> | undefined> {
  const declared = Number(response.headers.get("content-length") ?? 0)
  if (declared > maxProblemBytes || !(response.headers.get("content-type") ?? "").includes("json")) {
    await response.body?.cancel()
    return undefined
  }
  try {
    const body: unknown = await response.json()
    return isRecord(body) ? body : undefined
  } catch {
    // The status alone must do: a body that broke off says nothing.
    return undefined
  }
}

/** Retry-After in ms: seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
