/**
 * Connections below HTTP: how many there may be, what a malformed request gets, and who waits for `100 Continue`.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type Clock, errorRegistry, FogError, toProblem } from "@brume/core"

export interface ConnectionOptions {
  readonly clock: Clock
  /** Connections that are served. A few more are accepted to be told why they are not. */
  readonly maxConnections: number
}

export interface Connections {
  readonly open: number
  /** True for a connection beyond the limit: its requests are answered `too_many_connections`. */
  isBeyondLimit(socket: Socket): boolean
  /** The answer under way on a connection, so that nothing else is written into it. */
  answering(socket: Socket, response: ServerResponse): void
  /** Tells a client that waits for it to send its body. */
  invite(request: IncomingMessage): void
  /** For Fastify's `clientErrorHandler`. */
  refuse(error: NodeJS.ErrnoException, socket: Socket): void
  watch(server: Server): void
}

/** Connections beyond the limit that are accepted for an answer; more are closed without one. */
const spareConnections = 32
/** How long a refused connection may stay open for its client to read why. */
const lingerMs = 500

export function createConnections({ clock, maxConnections }: ConnectionOptions): Connections {
  const beyond = new WeakSet<Socket>()
  const answers = new WeakMap<Socket, ServerResponse>()
  const waiting = new WeakMap<IncomingMessage, ServerResponse>()
  let open = 0

  return {
    get open() {
      return open
    },
    isBeyondLimit: (socket) => beyond.has(socket),
    answering: (socket, response) => void answers.set(socket, response),
    invite(request) {
      waiting.get(request)?.writeContinue()
      waiting.delete(request)
    },
    refuse(error, socket) {
      const answer = answers.get(socket)
      const isAnswered = answer?.headersSent === true && !answer.writableFinished
      // Not writable: it was refused before, and what comes behind is of no interest.
      if (error.code === "ECONNRESET" || !socket.writable || isAnswered) {
        socket.destroy()
        return
      }
      socket.end(rawAnswer(problemOfSocket(error)))
      const timer = clock.after(lingerMs, () => socket.destroy())
      socket.once("close", () => timer.cancel())
    },
    watch(server) {
      server.maxConnections = maxConnections + spareConnections
      server.on("connection", (socket) => {
        open++
        if (open > maxConnections) beyond.add(socket)
        socket.once("close", () => open--)
      })
      server.on("checkContinue", (request, response) => {
        waiting.set(request, response)
        server.emit("request", request, response)
      })
      // Without a listener Node.js answers an unknown expectation itself, without a body.
      server.on("checkExpectation", (request, response) => server.emit("request", request, response))
    },
  }
}

function problemOfSocket(error: NodeJS.ErrnoException): FogError {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return new FogError("headers_too_large", {
        message: "The request line and headers together are larger than 16 KiB",
        hint: "Shorten the URL or the headers.",
      })
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new FogError("request_timeout", {
        message: "The request did not arrive in time",
        hint: "Send smaller bodies over a slow link, or raise api.requestTimeoutMs.",
      })
  }
  return new FogError("request_invalid", {
    message: `The request is not valid HTTP/1.1${error.code === undefined ? "" : ` (${error.code})`}`,
    hint: "This port speaks HTTP without TLS.",
  })
}

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
}

function rawAnswer(error: FogError): string {
  const body = JSON.stringify(toProblem(error))
  const { status } = errorRegistry[error.code]
  return [
    `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}`,
    "content-type: application/problem+json",
    "x-content-type-options: nosniff",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body,
  ].join("\r\n")
}
