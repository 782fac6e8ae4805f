/** A real HTTP and WebSocket server that answers as a test says: for clients, where a whole node is not needed. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import { type WebSocket, WebSocketServer } from "ws"

export interface SeenRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  /** Decompressed. */
  readonly body: string
}

/** Answers one request; the body has arrived. */
export type Answerer = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

export interface ScriptedNode extends AsyncDisposable {
  readonly url: string
  readonly requests: SeenRequest[]
  readonly sockets: WebSocket[]
  /** Replaces the script. */
  answer: Answerer
  /** Called for each WebSocket; without one they are refused with 401. */
  live: ((socket: WebSocket, request: IncomingMessage) => void) | undefined
  /** Stops listening and breaks all connections; `open` listens again at the same address. */
  vanish(): Promise<void>
  open(): Promise<void>
}

export function problem(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  response.writeHead(status, { "content-type": "application/problem+json" })
  response.end(JSON.stringify({ status, detail: `answered ${status}`, ...body }))
}

export function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}

export async function scriptedNode(
  answer: Answerer = (_request, response) => json(response, {}),
): Promise<ScriptedNode> {
  const requests: SeenRequest[] = []
  const sockets: WebSocket[] = []
  const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => "brume.v1" })
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on("data", (piece: Buffer) => pieces.push(piece))
    request.on("end", () => {
      const raw = Buffer.concat(pieces)
      const body = (request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw).toString()
      const seen = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body }
      requests.push(seen)
      void node.answer(seen, response)
    })
  })
  server.on("upgrade", (request, socket, head) => {
    const { live } = node
    if (live === undefined) {
      socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
      return
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      sockets.push(webSocket)
      live(webSocket, request)
    })
  })
  let port = 0
  const open = (): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once("error", reject)
      server.listen(port, "127.0.0.1", () => {
        port = (server.address() as AddressInfo).port
        resolve()
      })
    })
  const vanish = async (): Promise<void> => {
    for (const socket of sockets.splice(0)) socket.terminate()
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  await open()
  const node: ScriptedNode = {
    url: `http://127.0.0.1:${port}`,
    requests,
    sockets,
    answer,
    live: undefined,
    vanish,
    open,
    [Symbol.asyncDispose]: vanish,
  }
  return node
}
