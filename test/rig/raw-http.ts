/** A connection below HTTP: a test writes what no client would, and sees every byte that comes back. */
import { connect, type Socket } from "node:net"

export interface RawConnection {
  readonly socket: Socket
  write(bytes: string | Uint8Array): void
  /** Everything received so far, once it contains the text; fails when the connection ends before. */
  until(text: string): Promise<string>
  /** Everything received, once the other side has closed. */
  ended(): Promise<string>
}

export async function rawConnection(address: { readonly host: string; readonly port: number }): Promise<RawConnection> {
  const socket = connect(address.port, address.host)
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject))
  let received = ""
  let isClosed = false
  let look = (): void => {}
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1")
    look()
  })
  // A reset is an end like another here: what was received before it counts.
  socket.on("error", () => {})
  socket.on("close", () => {
    isClosed = true
    look()
  })
  return {
    socket,
    write: (bytes) => void socket.write(bytes),
    until: (text) =>
      new Promise((resolve, reject) => {
        look = () => {
          if (received.includes(text)) resolve(received)
          else if (isClosed) reject(new Error(`The connection ended after ${JSON.stringify(received)}`))
        }
        look()
      }),
    ended: () =>
      new Promise((resolve) => {
        look = () => {
          if (isClosed) resolve(received)
        }
        look()
      }),
  }
}

/** Status, headers and body of the first answer in what was received. */
export function parseRawAnswer(received: string): { status: number; headers: Record<string, string>; body: string } {
  const [head = "", ...rest] = received.split("\r\n\r\n")
  const [statusLine = "", ...lines] = head.split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  return { status: Number(statusLine.split(" ")[1]), headers, body: rest.join("\r\n\r\n") }
}
