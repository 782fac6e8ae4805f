/**
 * WebSockets as live subscriptions need them, over two drivers: the package `ws` on Node.js, and the platform's own
 * WebSocket elsewhere, which sees the node's heartbeats but not its pings.
 */
import { unreachable } from "../problem.ts"

/** After `closed` no other event comes. */
export interface SocketEvents {
  opened(): void
  message(text: string): void
  /** A sign of life that is no message. */
  alive(): void
  /** @param cause what broke it, where the platform says so */
  closed(code: number, reason: string, cause?: unknown): void
}

export interface LiveSocket {
  /** Ends the connection without waiting for the other side; no event comes after this. */
  end(): void
}

export interface SocketDriver {
  open(url: string, protocols: readonly string[], events: SocketEvents): LiveSocket
}

/** Largest message, bytes. */
const maxMessageBytes = 16_777_216

/** The driver for this platform. A bundler for browsers may resolve `ws` to anything: it is not loaded there. */
export async function socketDriver(): Promise<SocketDriver> {
  if (globalThis.process?.versions?.node !== undefined) {
    const ws = await import("ws").catch(() => undefined)
    if (ws !== undefined) return wsDriver(ws.WebSocket)
  }
  if (globalThis.WebSocket === undefined) {
    throw unreachable("the live stream", new Error("This platform has no WebSocket, and the package ws is missing"))
  }
  return platformDriver
}

const platformDriver: SocketDriver = {
  open(url, protocols, events) {
    const socket = new globalThis.WebSocket(url, [...protocols])
    let isEnded = false
    socket.onopen = () => events.opened()
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") events.message(data)
    }
    socket.onclose = ({ code, reason }) => {
      if (!isEnded) events.closed(code, reason)
    }
    return {
      end() {
        isEnded = true
        socket.onopen = null
        socket.onmessage = null
        socket.close()
      },
    }
  },
}

function wsDriver(WebSocket: typeof import("ws").WebSocket): SocketDriver {
  return {
    open(url, protocols, events) {
      const socket = new WebSocket(url, [...protocols], { maxPayload: maxMessageBytes, followRedirects: false })
      let isEnded = false
      let cause: unknown
      socket.on("open", () => events.opened())
      socket.on("ping", () => events.alive())
      socket.on("message", (content, isBinary) => {
        if (!isBinary && !isEnded) events.message(content.toString())
      })
      socket.on("error", (error) => {
        cause = error
      })
      socket.on("close", (code, reason) => {
        if (!isEnded) events.closed(code, reason.toString(), cause)
      })
      return {
        end() {
          isEnded = true
          socket.terminate()
        },
      }
    },
  }
}
