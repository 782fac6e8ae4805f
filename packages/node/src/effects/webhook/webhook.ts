/**
 * Webhooks: the executor that calls an HTTP address.
 *
 * - W1 The address is checked after it is resolved, and the connection goes to the very addresses that were checked: a
 *   name that resolves to something else a moment later leads nowhere. Where one of several is refused, all are.
 * - W2 Redirects are not followed, and no proxy of the environment is used.
 * - W3 The effect's key goes along as `Idempotency-Key`, so that the receiver can recognise a repetition.
 * - W4 What ends before the connection stands was certainly not done; nor was what the host refuses with 429 or 503, or
 *   with a status that blames the request. After the request was sent, everything else but 2xx means in doubt.
 * - W5 Of the answer only the status and `Retry-After` are taken; its body is never read. Time, size and number of open
 *   requests are bounded.
 */
import { type ClientRequest, Agent as HttpAgent, request as requestHttp } from "node:http"
import { Agent as HttpsAgent, request as requestHttps } from "node:https"
import { isIP, type LookupFunction } from "node:net"
import { type CancelSignal, type Clock, type Effect, type Executor, FogError, type WebhookAction } from "@brume/core"
import { createAddressCheck } from "./address-check.ts"
import { problemOfAnswer } from "./answer.ts"
import { type HostAddress, type Resolve, resolveInTurn } from "./resolve.ts"

export interface WebhookOptions {
  readonly version: string
  /** Hosts, addresses and networks that may be reached although they are not public. */
  readonly allow: readonly string[]
  readonly clock: Clock
  /** How long a connection may take to stand; within the effect's own deadline. @default 5000 */
  readonly connectTimeoutMs?: number
  /** All addresses of a name; throws where there are none. @default the system's resolver */
  readonly resolve?: Resolve
}

const maxAtOnce = 256
const defaultConnectTimeoutMs = 5_000
const maxUrlLength = 8_192
const maxHeadersLength = 16_384
/** Longest body, UTF-16 code units. */
const maxBodyLength = 1_048_576

export function createWebhookExecutor(options: WebhookOptions): Executor<WebhookAction> {
  const { version, clock, connectTimeoutMs = defaultConnectTimeoutMs } = options
  const check = createAddressCheck(options.allow)
  const agents = {
    "http:": new HttpAgent({ keepAlive: false, maxTotalSockets: maxAtOnce }),
    "https:": new HttpsAgent({ keepAlive: false, maxTotalSockets: maxAtOnce }),
  }
  const resolve = resolveInTurn(options.resolve)

  return async (effect, signal) => {
    const url = parseUrl(effect.action)
    const host = url.hostname.replace(/^\[|\]$/g, "")
    const port = url.port === "" ? defaultPorts[url.protocol]! : Number(url.port)
    const addresses = await addressesOf(host, resolve, signal)
    // W1
    for (const { address } of addresses) {
      const problem = check.problem(address, host, port)
      if (problem !== undefined) throw refusedAddress(url.host, address, problem)
    }
    const agent = agents[url.protocol as keyof typeof agents]
    await send(effect, { url, signal, agent, lookup: only(addresses), version, clock, connectTimeoutMs })
  }
}

const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 }

function parseUrl({ url: text, headers, body }: WebhookAction): URL {
  if (text.length > maxUrlLength) throw unfit(`its address is longer than ${maxUrlLength} characters`)
  if (body.length > maxBodyLength) throw unfit(`its body is longer than ${maxBodyLength} characters`)
  const headersLength = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (headersLength > maxHeadersLength) throw unfit(`its headers are longer than ${maxHeadersLength} characters`)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && url.protocol in defaultPorts && url.username === "" && url.password === "") return url
  throw new FogError("webhook_refused", {
    message:
      url === undefined
        ? "The address of the webhook is malformed"
        : `The webhook's address begins with ${url.protocol} or has a user or password in it`,
    hint: "Use http:// or https://, and a header for a secret.",
  })
}

async function addressesOf(host: string, resolve: Resolve, signal: CancelSignal): Promise<readonly HostAddress[]> {
  const family = isIP(host)
  if (family !== 0) return [{ address: host, family }]
  let abort = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(new Error("its name was not resolved in time"))
    signal.addEventListener("abort", abort)
  })
  try {
    const addresses = await Promise.race([resolve(host), aborted])
    if (addresses.length > 0) return addresses
    throw new Error("its name has no address")
  } catch (error) {
    throw notReached(host, `its name cannot be resolved (${(error as Error).message})`, error)
  } finally {
    signal.removeEventListener("abort", abort)
  }
}

/** W1: whatever the name means by now, these are tried. */
function only(addresses: readonly HostAddress[]): LookupFunction {
  return (_host, options, done) => {
    if (options.all === true) done(null, [...addresses])
    else done(null, addresses[0]!.address, addresses[0]!.family)
  }
}

interface Sending {
  readonly url: URL
  readonly signal: CancelSignal
  readonly agent: HttpAgent
  readonly lookup: LookupFunction
  readonly version: string
  readonly clock: Clock
  readonly connectTimeoutMs: number
}

function send(effect: Effect<WebhookAction>, sending: Sending): Promise<void> {
  const { url, signal, agent, lookup, clock, connectTimeoutMs } = sending
  const { method, body } = effect.action
  const isSecure = url.protocol === "https:"
  return new Promise((resolve, reject) => {
    let isConnected = false
    let request: ClientRequest
    try {
      const headers = headersOf(effect, sending)
      request = (isSecure ? requestHttps : requestHttp)(url, { method, agent, lookup, headers })
    } catch (error) {
      // Node.js checks names and values of headers.
      reject(unfit((error as Error).message, error))
      return
    }
    const abort = (): void => {
      request.destroy(new Error("there was no answer in time"))
    }
    const connecting = clock.after(connectTimeoutMs, () => {
      request.destroy(new Error(`the connection did not stand within ${connectTimeoutMs} ms`))
    })
    if (signal.aborted) abort()
    signal.addEventListener("abort", abort)
    request.once("socket", (socket) => {
      socket.once(isSecure ? "secureConnect" : "connect", () => {
        isConnected = true
        connecting.cancel()
      })
    })
    request.once("response", (response) => {
      const problem = problemOfAnswer(response, url.host, clock)
      if (problem === undefined) resolve()
      else reject(problem)
      // W5
      response.destroy()
    })
    // W4
    request.on("error", (error) => {
      reject(isConnected ? unanswered(url.host, error) : notReached(url.host, error.message, error))
    })
    request.once("close", () => {
      connecting.cancel()
      signal.removeEventListener("abort", abort)
    })
    request.end(body === "" ? undefined : body)
  })
}

/** Headers that say how the message is framed, or where it goes, are not the rule's. */
const ownHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "idempotency-key",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
])

function headersOf({ key, action }: Effect<WebhookAction>, { version }: Sending): Record<string, string | number> {
  const { headers, body } = action
  const given = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !ownHeaders.has(name))
  return {
    "user-agent": `brume/${version}`,
    ...(body === "" ? {} : { "content-type": "application/json" }),
    ...Object.fromEntries(given),
    // W3
    "idempotency-key": key,
    ...(body === "" ? {} : { "content-length": Buffer.byteLength(body) }),
  }
}

function unfit(why: string, cause?: unknown): FogError {
  return new FogError("effect_invalid", { message: `The webhook cannot be sent: ${why}`, cause })
}

function refusedAddress(host: string, address: string, what: string): FogError {
  return new FogError("webhook_refused", {
    // Outcomes keep the message alone: the remedy stands in it.
    message: `${host} resolves to ${address}, ${what}, which webhooks reach only where effects.webhooks.allow names it`,
    hint: "Add the host or the network to effects.webhooks.allow, if you mean it.",
  })
}

function notReached(host: string, why: string, cause: unknown): FogError {
  return new FogError("webhook_failed", { message: `${host} cannot be reached: ${why}`, cause })
}

function unanswered(host: string, cause: Error): FogError {
  return new FogError("effect_in_doubt", {
    message: `${host} was sent the request and did not answer: ${cause.message}`,
    cause,
  })
}
