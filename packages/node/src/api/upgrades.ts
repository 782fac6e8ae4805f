/**
 * Handshakes of WebSockets. They pass the router and its hooks as every request does, and become a socket only in the
 * handler of a route that takes them; everything else is answered over HTTP.
 */
import { type IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { FogError } from "@brume/core"
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify"
import { type WebSocket, WebSocketServer } from "ws"

/** What a route says of its WebSockets. */
export interface WebSocketTerms {
  /** The first of them that a client offers is spoken. */
  readonly protocols: readonly string[]
  /** A longer message ends the connection with 1009 when its header arrives: no byte of it is kept. */
  readonly maxMessageBytes: number
}

/** Makes the WebSocket of a request that is a handshake. What the client sent before stays readable until `served`. */
export type AcceptWebSocket = (
  request: FastifyRequest,
  reply: FastifyReply,
  served: (webSocket: WebSocket, socket: Socket) => void,
) => void

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route takes WebSockets. */
    webSocket?: WebSocketTerms
  }
  interface FastifyRequest {
    /** It asks for a WebSocket. */
    readonly isHandshake: boolean
  }
}

/** How long a client may take to answer a closing frame, ms. */
const closeTimeoutMs = 500

interface Handshake {
  readonly socket: Socket
  /** What came behind the headers. */
  readonly head: Buffer
}

/** Must be called before the routes are added. */
export function addUpgrades(app: FastifyInstance): AcceptWebSocket {
  const handshakes = new WeakMap<IncomingMessage, Handshake>()
  const servers = new WeakMap<WebSocketTerms, WebSocketServer>()
  app.decorateRequest("isHandshake", {
    getter() {
      return handshakes.has(this.raw)
    },
  })
  app.server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Clients that offer h2c (curl, Java) are answered as if they had not.
    if (request.headers.upgrade?.toLowerCase() === "websocket") handshakes.set(request, { socket, head })
    socket.on("error", () => socket.destroy())
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    // Node.js has given this connection away: nobody else would end it.
    response.once("finish", () => socket.destroySoon())
    app.routing(request, response)
  })

  const serverOf = (terms: WebSocketTerms): WebSocketServer => {
    const known = servers.get(terms)
    if (known !== undefined) return known
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: terms.maxMessageBytes,
      closeTimeout: closeTimeoutMs,
      handleProtocols: (offered) => terms.protocols.find((protocol) => offered.has(protocol)) ?? false,
    } as ConstructorParameters<typeof WebSocketServer>[0])
    servers.set(terms, server)
    return server
  }

  return (request, reply, served) => {
    const { raw } = request
    const handshake = handshakes.get(raw)
    const terms = request.routeOptions.config.webSocket
    if (handshake === undefined || terms === undefined) throw new Error("The request is no handshake")
    const { socket, head } = handshake
    reply.hijack()
    reply.raw.detachSocket(socket)
    serverOf(terms).handleUpgrade(raw, socket, head, (webSocket) => {
      // A client that is gone is no news; `close` follows.
      webSocket.on("error", () => {})
      served(webSocket, socket)
    })
  }
}

/** What the WebSocket library would refuse in its own words, without a problem. Throws `request_invalid`. */
export function checkHandshake({ raw: { headers } }: FastifyRequest): void {
  const key = headers["sec-websocket-key"] ?? ""
  if (headers["sec-websocket-version"] === "13" && /^[+/0-9A-Za-z]{22}==$/.test(key)) return
  throw new FogError("request_invalid", {
    message: "The WebSocket handshake is malformed",
    hint: "It needs Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key of 16 bytes [RFC 6455].",
  })
}
