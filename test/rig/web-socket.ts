/** A WebSocket client that keeps what it hears. */
import { WebSocket } from "ws"

export interface Listener {
  readonly socket: WebSocket
  readonly messages: Record<string, unknown>[]
  /** Code and reason, once the connection has ended. */
  readonly closed: Promise<readonly [code: number, reason: string]>
  /** All readings heard so far, of all messages. */
  readings(): Record<string, unknown>[]
}

export interface ListenOptions {
  readonly secret?: string
  readonly protocols?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

/** Rejects with `status body` when the handshake is refused. */
export async function listenTo(url: string, options: ListenOptions = {}): Promise<Listener> {
  const { secret, protocols = ["brume.v1"], headers = {} } = options
  const authorization = secret === undefined ? {} : { authorization: `Bearer ${secret}` }
  const socket = new WebSocket(url.replace(/^http/, "ws"), [...protocols], {
    headers: { ...authorization, ...headers },
  })
  const messages: Record<string, unknown>[] = []
  socket.on("message", (text: Buffer) => messages.push(JSON.parse(text.toString())))
  const closed = new Promise<readonly [number, string]>((resolve) => {
    socket.on("close", (code: number, reason: Buffer) => resolve([code, reason.toString()]))
  })
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve)
    socket.once("error", reject)
    socket.once("unexpected-response", (_request, response) => {
      let body = ""
      response.on("data", (chunk: Buffer) => {
        body += chunk
      })
      response.on("end", () => reject(new Error(`${response.statusCode} ${body}`)))
    })
  })
  return {
    socket,
    messages,
    closed,
    readings: () => messages.flatMap(({ type, readings }) => (type === "readings" ? (readings as []) : [])),
  }
}
