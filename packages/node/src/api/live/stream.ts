/**
 * One live connection after its handshake: messages are taken from its source when the socket has room for them, so that a
 * slow client costs `maxBufferedBytes` and what its source keeps, which is bounded by its maker.
 */

import type { Clock, Timer } from "@brume/core"
import type { WebSocket } from "ws"

export interface StreamOptions {
  readonly clock: Clock
  /** False when the token was revoked or has expired since. */
  readonly isAuthorized: () => boolean
}

/** Where the messages of one connection come from. */
export interface StreamSource {
  /** The next one, as JSON; undefined while there is none. */
  next(): string | undefined
  /** Idempotent. */
  close(): void
}

export interface Stream {
  /** The source has something. */
  wake(): void
  /** Ends the stream when its token is no longer valid. */
  checkToken(): boolean
  end(code: number, reason: string): void
}

/** What comes waits at most this long for others to share a message, ms. */
const messageIntervalMs = 50
/** Beyond this many unsent bytes nothing more is taken from the source. */
const maxBufferedBytes = 1_048_576
const pingIntervalMs = 20_000
/** How long a client may take to answer the closing handshake. */
const closeMs = 500

export const closeCodes = { stopping: 1001, refused: 1008 } as const

const heartbeat = JSON.stringify({ type: "heartbeat" })

export function startStream(socket: WebSocket, source: StreamSource, options: StreamOptions): Stream {
  const { clock } = options
  let timer: Timer | undefined
  let lastMessage = Number.NEGATIVE_INFINITY
  let isAlive = true

  const send = (message: string): void => {
    lastMessage = clock.monotonic()
    // Room in the socket may be what the source waits for.
    socket.send(message, () => wake())
  }
  const flush = (): void => {
    timer = undefined
    while (socket.readyState === socket.OPEN && socket.bufferedAmount < maxBufferedBytes) {
      const message = source.next()
      if (message === undefined) return
      send(message)
    }
  }
  const wake = (): void => {
    if (timer !== undefined || socket.readyState !== socket.OPEN || socket.bufferedAmount >= maxBufferedBytes) return
    timer = clock.after(Math.max(0, lastMessage + messageIntervalMs - clock.monotonic()), flush)
  }
  const end = (code: number, reason: string): void => {
    if (socket.readyState !== socket.OPEN) return
    socket.close(code, reason)
    const last = clock.after(closeMs, () => socket.terminate())
    socket.once("close", () => last.cancel())
  }
  const checkToken = (): boolean => {
    const isAuthorized = options.isAuthorized()
    if (!isAuthorized) end(closeCodes.refused, "the token was revoked or has expired")
    return isAuthorized
  }
  const ping = (): void => {
    if (!isAlive) {
      socket.terminate()
      return
    }
    if (!checkToken()) return
    isAlive = false
    socket.ping()
    // Pages cannot see pings: silence would tell them nothing.
    if (clock.monotonic() - lastMessage >= pingIntervalMs) send(heartbeat)
    pinging = clock.after(pingIntervalMs, ping)
  }
  let pinging = clock.after(pingIntervalMs, ping)

  socket.on("pong", () => {
    isAlive = true
  })
  socket.on("message", () => end(closeCodes.refused, "this stream takes no messages"))
  socket.once("close", () => {
    timer?.cancel()
    pinging.cancel()
    source.close()
  })
  return { wake, checkToken, end }
}
