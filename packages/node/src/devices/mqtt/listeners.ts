/** Where clients connect: TCP, TLS, and WebSockets that the API hands over. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls"
import { FogError } from "@brume/core"
import type { WebSocket } from "ws"
import type { Broker } from "./broker.ts"
import { Connection } from "./connection/connection.ts"
import type { LinkCertificate } from "./connection/link.ts"
import { TcpLink } from "./connection/tcp-link.ts"
import { WebSocketLink, type WebSocketOrigin } from "./connection/web-socket-link.ts"

export interface ListenAddress {
  /** Without brackets. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

export interface TlsListening {
  readonly listen: ListenAddress
  readonly options: TlsOptions
  /** What a client's certificate says, when it has one that is believed. */
  certificateOf(socket: TLSSocket): LinkCertificate | undefined
  /** Calls with what is in force from now on. Returns the function that ends the subscription. */
  onChanged(listener: (context: SecureContextOptions) => void): () => void
}

export interface Listener {
  readonly address: ListenAddress
  /** Takes no more connections. */
  stop(): void
}

/** Connections that wait to be accepted: a storm of reconnections comes at once. */
const backlog = 4_096

/** Listens when it resolves. Throws `listen_failed`. */
export async function openTcpListener(broker: Broker, listen: ListenAddress): Promise<Listener> {
  const server = createServer({ noDelay: true }, (socket) => serve(broker, socket))
  return bind(server, { ...listen, scheme: "mqtt" })
}

/** Listens when it resolves. Throws `listen_failed`. */
export async function openTlsListener(broker: Broker, tls: TlsListening): Promise<Listener> {
  const { connectTimeoutMs } = broker.options.limits
  const server: TlsServer = createTlsServer({ ...tls.options, handshakeTimeout: connectTimeoutMs }, (socket) =>
    serve(broker, socket, tls.certificateOf(socket)),
  )
  // Peers that speak no TLS are no news.
  server.on("tlsClientError", (_error, socket) => socket.destroy())
  const listener = await bind(server, { ...tls.listen, scheme: "mqtts" })
  const ignore = tls.onChanged((context) => server.setSecureContext(context))
  return {
    ...listener,
    stop() {
      ignore()
      listener.stop()
    },
  }
}

function serve(broker: Broker, socket: Socket, certificate?: LinkCertificate): void {
  if (!hasRoom(broker, socket.remoteAddress ?? "")) socket.destroy()
  else {
    const link = new TcpLink(socket, certificate)
    link.listen(new Connection(broker, link))
  }
}

/** Whether one more connection from this address may be served. */
function hasRoom({ addresses, connections, options, statistics }: Broker, peerAddress: string): boolean {
  const { maxConnections, maxConnectionsPerAddress = Number.POSITIVE_INFINITY } = options.limits
  const ofAddress = addresses.count(peerAddress)
  if (connections.size < maxConnections && ofAddress < maxConnectionsPerAddress) return true
  statistics.refused++
  options.logger.warn("A connection was refused: the node serves as many as it may", {
    connections: connections.size,
    peer: peerAddress,
    ofAddress,
  })
  return false
}

/** Try again later. RFC 6455 7.4.1, as registered by IANA. */
const tryAgainLater = 1013

export function serveWebSocket(broker: Broker, webSocket: WebSocket, from: WebSocketOrigin): void {
  if (!hasRoom(broker, from.socket.remoteAddress ?? "")) {
    webSocket.close(tryAgainLater, "The node serves as many connections as it may")
    return
  }
  const link = new WebSocketLink(webSocket, from)
  link.listen(new Connection(broker, link))
}

async function bind(server: Server, { host, port, scheme }: ListenAddress & { scheme: string }): Promise<Listener> {
  // The name may stand for two addresses, and one server listens on one.
  const address = host === "localhost" ? "127.0.0.1" : host
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new FogError("listen_failed", {
          message: `Cannot listen on ${scheme}://${host}:${port}: ${cause.code ?? cause.message}`,
          hint: "Is another broker there? Stop it, or name another port.",
          cause,
        }),
      ),
    )
    server.listen({ host: address, port, backlog }, () => resolve())
  })
  server.on("error", () => {})
  const bound = server.address() as AddressInfo
  return {
    address: { host: bound.address, port: bound.port },
    stop: () => void server.close(),
  }
}
