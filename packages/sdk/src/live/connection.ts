/**
 * One connection of a live subscription: authorises itself by subprotocol (a browser cannot set headers), parses the
 * node's messages, and notices when the link is dead. It ends once, with the reason; opening another is not its task.
 */
import { FogError, isFogError } from "@brume/core"
import { isRecord, unreachable } from "../problem.ts"
import type { LiveSocket, SocketDriver } from "./socket.ts"
import type { LivePort } from "./stream.ts"

export interface ConnectionOptions {
  readonly port: LivePort
  readonly silenceMs: number
}

export interface ConnectionEvents {
  opened(): void
  message(message: Readonly<Record<string, unknown>>): void
  /** The node shows that it keeps this connection: a message or a ping. */
  alive(): void
  /** The end, unless `end` was called. */
  lost(error: FogError): void
}

export interface Connection {
  /** Idempotent; no event comes after this. */
  end(): void
}

/** Longest time until the stream is open, ms. */
const openMs = 10_000

export function connect(options: ConnectionOptions, events: ConnectionEvents): Connection {
  const { port, silenceMs } = options
  let socket: LiveSocket | undefined
  let isEnded = false
  let isOpen = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const url = port.url.href

  function end(): void {
    isEnded = true
    clearTimeout(timer)
    socket?.end()
    socket = undefined
  }

  function lose(error: FogError): void {
    if (isEnded) return
    end()
    events.lost(error)
  }

  /** Starts the time anew after which the link counts as dead. */
  function watch(limitMs: number): void {
    clearTimeout(timer)
    if (isEnded) return
    timer = setTimeout(() => {
      socket?.end()
      const error = silent(url, limitMs)
      if (isOpen) lose(error)
      else void explain(port, error).then(lose)
    }, limitMs)
  }

  /** A message, a heartbeat among them, or a ping: the node sends one of them within 40 seconds. */
  function alive(): void {
    events.alive()
    watch(silenceMs)
  }

  function take(text: string): void {
    const message = parsed(text)
    if (message === undefined) {
      lose(unreachable(url, new Error("a message is no JSON")))
      return
    }
    alive()
    events.message(message)
  }

  function start(driver: SocketDriver, secret: string | undefined): void {
    if (isEnded) return
    const protocols = secret === undefined ? ["brume.v1"] : ["brume.v1", `bearer.${secret}`]
    socket = driver.open(url, protocols, {
      opened() {
        if (isEnded) return
        isOpen = true
        events.opened()
        watch(silenceMs)
      },
      message: (text) => {
        if (!isEnded) take(text)
      },
      alive: () => {
        if (!isEnded) alive()
      },
      closed(code, reason, cause) {
        clearTimeout(timer)
        if (isOpen) lose(closedBy(url, { code, reason, cause }))
        else void explain(port, unreachable(url, cause)).then(lose)
      },
    })
  }

  watch(openMs)
  Promise.all([port.driver(), port.token()]).then(
    ([driver, secret]) => start(driver, secret),
    (error: unknown) => lose(isFogError(error) ? error : unreachable(url, error)),
  )
  return { end }
}

/** A browser does not say why a WebSocket was refused; the same node, asked over HTTP, does. */
async function explain(port: LivePort, otherwise: FogError): Promise<FogError> {
  try {
    await port.diagnose()
    return otherwise
  } catch (error) {
    return isFogError(error) ? error : otherwise
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const message: unknown = JSON.parse(text)
    return isRecord(message) ? message : undefined
  } catch {
    // The caller ends the connection: the node and this side do not understand each other.
    return undefined
  }
}

function silent(url: string, limitMs: number): FogError {
  return new FogError("node_unreachable", {
    message: `${url} gave no sign of life for ${limitMs} ms`,
    hint: "The network between here and the node may be cut; the stream goes on when it is back.",
  })
}

function closedBy(url: string, end: { code: number; reason: string; cause: unknown }): FogError {
  if (end.code === 1006) return unreachable(url, end.cause ?? new Error("the connection broke"))
  const why = end.reason === "" ? `code ${end.code}` : `${end.reason} (code ${end.code})`
  return new FogError("node_unreachable", {
    message: `${url} ended the stream: ${why}`,
    hint: end.code === 1008 ? "Check the token." : "The stream goes on when the node is back.",
    cause: end.cause,
  })
}
