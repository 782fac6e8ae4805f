/** MQTT over TCP and TLS. */
import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import type { Link, LinkCertificate, LinkEvents } from "./link.ts"
import { isLoopbackPeer } from "./peer.ts"

/** How long a socket may take to send its last bytes, ms. */
const lingerMs = 1_000

export class TcpLink implements Link {
  readonly peerAddress: string
  readonly isLoopback: boolean
  readonly transport: string
  readonly certificate: LinkCertificate | undefined
  readonly #socket: Socket

  /** The socket is connected and, with TLS, its handshake is over. */
  constructor(socket: Socket, certificate?: LinkCertificate) {
    this.#socket = socket
    this.peerAddress = socket.remoteAddress ?? ""
    this.isLoopback = isLoopbackPeer(this.peerAddress)
    this.transport = socket instanceof TLSSocket ? "tls" : "tcp"
    this.certificate = certificate
    socket.setNoDelay(true)
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  /** Hands what arrives to the connection. */
  listen(events: LinkEvents): void {
    const socket = this.#socket
    socket.on("data", (bytes) => events.received(bytes as Buffer))
    socket.on("drain", () => events.drained())
    socket.on("close", () => events.closed())
    // A client that is gone is no news; `close` follows.
    socket.on("error", () => {})
    // Half-open connections are not MQTT's.
    socket.on("end", () => socket.end())
  }

  write(bytes: Buffer): boolean {
    const socket = this.#socket
    if (!socket.writable) return true
    socket.write(bytes)
    return this.transport === "tcp" && socket.writableLength === 0
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    const socket = this.#socket
    if (socket.destroyed) return
    socket.setTimeout(lingerMs, () => socket.destroy())
    socket.end()
    // What still comes is not read any more, but must be taken for the end to be seen.
    socket.removeAllListeners("data")
    socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
