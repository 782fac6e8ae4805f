/** MQTT over WebSocket: binary messages, of which packets take no notice. [MQTT-6.0.0-1, -2] */
import type { Socket } from "node:net"
import type { WebSocket } from "ws"
import type { Link, LinkEvents } from "./link.ts"
import { isLoopbackPeer } from "./peer.ts"

/** Data was not binary, as MQTT wants it. RFC 6455 7.4.1 */
const unsupportedData = 1003

export class WebSocketLink implements Link {
  readonly peerAddress: string
  readonly isLoopback: boolean
  readonly transport = "websocket"
  readonly certificate = undefined
  readonly #webSocket: WebSocket
  readonly #socket: Socket

  constructor(webSocket: WebSocket, socket: Socket) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.peerAddress = socket.remoteAddress ?? ""
    this.isLoopback = isLoopbackPeer(this.peerAddress)
  }

  get bufferedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  listen(events: LinkEvents): void {
    const webSocket = this.#webSocket
    webSocket.on("message", (bytes, isBinary) => {
      if (isBinary) events.received(bytes as Buffer)
      else webSocket.close(unsupportedData, "MQTT wants binary messages")
    })
    this.#socket.on("drain", () => events.drained())
    webSocket.on("close", () => events.closed())
    webSocket.on("error", () => {})
  }

  write(bytes: Buffer): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return true
    this.#webSocket.send(bytes)
    return false
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  end(): void {
    this.#webSocket.close()
  }

  destroy(): void {
    this.#webSocket.terminate()
  }
}
