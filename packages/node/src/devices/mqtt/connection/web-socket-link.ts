/** MQTT over WebSocket: binary messages, of whose ends packets take no notice. [MQTT-6.0.0-1, -2] */
import type { Socket } from "node:net"
import type { WebSocket } from "ws"
import type { Link, LinkEvents } from "./link.ts"
import { isLoopbackPeer } from "./peer.ts"

export interface WebSocketOrigin {
  /** The one under the WebSocket. */
  readonly socket: Socket
  /** It came through a proxy, so that the address of the socket says nothing about the client. */
  readonly isForwarded: boolean
}

/** Data was not binary, as MQTT wants it. RFC 6455 7.4.1 */
const unsupportedData = 1003

export class WebSocketLink implements Link {
  readonly peerAddress: string
  readonly isLoopback: boolean
  readonly transport = "websocket"
  readonly certificate = undefined
  readonly #webSocket: WebSocket
  readonly #socket: Socket

  /** The handshake is over. */
  constructor(webSocket: WebSocket, { socket, isForwarded }: WebSocketOrigin) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.peerAddress = socket.remoteAddress ?? ""
    this.isLoopback = !isForwarded && isLoopbackPeer(this.peerAddress)
    socket.setNoDelay(true)
  }

  get bufferedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  listen(events: LinkEvents): void {
    const webSocket = this.#webSocket
    webSocket.on("message", (bytes, isBinary) => {
      if (isBinary) events.received(bytes as Buffer)
      else this.#end(unsupportedData, "MQTT wants binary messages")
    })
    this.#socket.on("drain", () => events.drained())
    webSocket.on("close", () => events.closed())
    // A client that is gone is no news; `close` follows.
    webSocket.on("error", () => {})
  }

  /** The library keeps the bytes until they are sent. */
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
    this.#end()
  }

  destroy(): void {
    this.#webSocket.terminate()
  }

  /** A client that does not answer is cut off by the library, after the time that the API gives it. */
  #end(code?: number, why?: string): void {
    const webSocket = this.#webSocket
    webSocket.close(code, why)
    // What still comes is not read any more, but must be taken for the client's closing frame to be seen.
    webSocket.removeAllListeners("message")
    webSocket.resume()
  }
}
