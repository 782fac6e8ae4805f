/**
 * Webhooks: the executor that calls an HTTP address.
 *
 * - W1 The address is checked after it is resolved, and the connection goes to the very addresses that were checked: a
 *   name that resolves to something else a moment later leads nowhere. Where one of several is refused, all are.
 * - W2 Redirects are not followed, and no proxy of the environment is used.
 * - W3 The effect's key goes along as `Idempotency-Key`, so that the receiver can recognise a repetition.
 * - W4 What ends before the connection stands was certainly not done. After that, no answer means in doubt.
 * - W5 Of the answer only the status is taken. At most {@link maxPerHost} requests of one host and {@link maxAtOnce} in
 *   all are open; others wait for them within their own deadline.
 */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http"
import { Agent as HttpsAgent, request as requestHttps } from "node:https"
import { isIP, type LookupFunction } from "node:net"
import { type CancelSignal, type Effect, type Executor, FogError, type WebhookAction } from "@brume/core"
import { createAddressCheck } from "./address-check.ts"

export interface WebhookOptions {
  readonly version: string
  /** Hosts, addresses and networks that may be reached although they are not public. */
  readonly allow: readonly string[]
  /** All addresses of a name. Throws when there are none. */
  readonly resolve: (host: string) => Promise<readonly HostAddress[]>
}

export interface HostAddress {
  readonly address: string
  readonly family: number
}

export interface Webhooks {
  readonly execute: Executor<WebhookAction>
  /** Breaks off what is open. */
  close(): void
}

const maxPerHost = 4
const maxAtOnce = 64
/** Names that are resolved at once: each occupies a thread of the pool that syncs the log. */
const maxResolving = 2

export function createWebhooks({ version, allow, resolve }: WebhookOptions): Webhooks {
  const check = createAddressCheck(allow)
  const agentOptions = { keepAlive: false, maxSockets: maxPerHost, maxTotalSockets: maxAtOnce }
  const agents = { "http:": new HttpAgent(agentOptions), "https:": new HttpsAgent(agentOptions) }
  const resolveInTurn = inTurn(resolve, maxResolving)

  const execute = async (effect: Effect<WebhookAction>, signal: CancelSignal): Promise<void> => {
    const url = parseUrl(effect.action.url)
    const host = url.hostname.replace(/^\[|\]$/g, "")
    const port = url.port === "" ? defaultPorts[url.protocol]! : Number(url.port)
    const addresses = await addressesOf(host, resolveInTurn)
    for (const { address } of addresses) {
      const problem = check.problem(address, host, port)
      if (problem !== undefined) throw refusedAddress(url.host, address, problem)
    }
    if (signal.aborted) throw notReached(url.host, "there was no time left to connect")
    await send(effect, {
      url,
      signal,
      agent: agents[url.protocol as keyof typeof agents],
      lookup: only(addresses),
      version,
    })
  }
  return {
    execute,
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 }

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && url.protocol in defaultPorts && url.username === "" && url.password === "") return url
  throw new FogError("webhook_refused", {
    message:
      url === undefined
        ? "The address of the webhook is malformed"
        : `The webhook's address begins with ${url.protocol} or has a password in it`,
    hint: "Use http:// or https://, and a header for a secret.",
  })
}

async function addressesOf(host: string, resolve: WebhookOptions["resolve"]): Promise<readonly HostAddress[]> {
  const family = isIP(host)
  if (family !== 0) return [{ address: host, family }]
  const addresses = await resolve(host).catch((error: unknown) => {
    throw notReached(host, "its name cannot be resolved", error)
  })
  if (addresses.length === 0) throw notReached(host, "its name has no address")
  return addresses
}

/** W1: whatever the name means by now, these are tried. */
function only(addresses: readonly HostAddress[]): LookupFunction {
  return (_host, options, done) => {
    if (options.all) done(null, [...addresses])
    else done(null, addresses[0]!.address, addresses[0]!.family)
  }
}

interface Sending {
  readonly url: URL
  readonly signal: CancelSignal
  readonly agent: HttpAgent
  readonly lookup: LookupFunction
  readonly version: string
}

function send(effect: Effect<WebhookAction>, { url, signal, agent, lookup, version }: Sending): Promise<void> {
  const { method, headers, body } = effect.action
  const isSecure = url.protocol === "https:"
  return new Promise((resolve, reject) => {
    let isConnected = false
    let request: ClientRequest
    try {
      request = (isSecure ? requestHttps : requestHttp)(url, {
        method,
        agent,
        lookup,
        headers: {
          "user-agent": `brume/${version}`,
          ...(body === "" ? {} : { "content-type": "application/json" }),
          ...lowerCased(headers),
          "idempotency-key": effect.key,
          ...(body === "" ? {} : { "content-length": Buffer.byteLength(body) }),
        },
      })
    } catch (error) {
      // Node.js checks names and values of headers.
      reject(
        new FogError("webhook_refused", {
          message: `The webhook cannot be sent: ${(error as Error).message}`,
          cause: error,
        }),
      )
      return
    }
    const abort = (): void => {
      request.destroy(new Error("there was no answer in time"))
    }
    signal.addEventListener("abort", abort)
    request.once("socket", (socket) => {
      socket.once(isSecure ? "secureConnect" : "connect", () => {
        isConnected = true
      })
    })
    request.once("response", (response) => {
      const problem = problemOf(response, url.host)
      if (problem === undefined) resolve()
      else reject(problem)
      // W5
      response.destroy()
    })
    request.on("error", (error) =>
      reject(isConnected ? unanswered(url.host, error) : notReached(url.host, error.message, error)),
    )
    request.once("close", () => signal.removeEventListener("abort", abort))
    request.end(body === "" ? undefined : body)
  })
}

/** Headers that say how the message is framed, or where it goes, are not the rule's. */
const ownHeaders = new Set([
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

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return Object.fromEntries(entries.filter(([name]) => !ownHeaders.has(name)))
}

function problemOf({ statusCode: status = 0 }: IncomingMessage, host: string): FogError | undefined {
  if (status >= 200 && status < 300) return undefined
  // A host in between gave up on the one behind it.
  if (status === 408 || status === 502 || status === 504)
    return new FogError("effect_in_doubt", {
      message: `${host} answered ${status}: it does not know whether it was done`,
    })
  if (status === 429 || status >= 500)
    return new FogError("webhook_failed", { message: `${host} answered ${status}`, hint: "Its own log says why." })
  if (status >= 300 && status < 400)
    return new FogError("webhook_rejected", {
      message: `${host} answered ${status}, and redirects are not followed`,
      hint: "Write the address that it redirects to.",
    })
  return new FogError("webhook_rejected", {
    message: `${host} answered ${status}`,
    hint: "Look at the address, the headers and the body.",
  })
}

function refusedAddress(host: string, address: string, what: string): FogError {
  return new FogError("webhook_refused", {
    message: `${host} is ${address}, ${what}, which webhooks may not reach`,
    hint: "Add the host or the network to effects.webhooks.allow, if you mean it.",
  })
}

function notReached(host: string, why: string, cause?: unknown): FogError {
  return new FogError("webhook_failed", { message: `${host} cannot be reached: ${why}`, cause })
}

function unanswered(host: string, cause: Error): FogError {
  return new FogError("effect_in_doubt", {
    message: `${host} was sent the request and did not answer: ${cause.message}`,
    cause,
  })
}

/** So many at once; the others wait in order. */
function inTurn<Result>(work: (name: string) => Promise<Result>, most: number): (name: string) => Promise<Result> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (name) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work(name)
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
