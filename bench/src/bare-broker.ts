/**
 * The least that can pass for a broker, in a process of its own: it acknowledges every PUBLISH and throws it away, or hands
 * its bytes to all subscribers as they are. What a load generator reaches against it is the generator's own limit, and
 * what it hands out is what Node.js sockets allow.
 */
import { fork } from "node:child_process"
import { mkdtemp } from "node:fs/promises"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Broker, brokerOf, portFrom } from "./brokers.ts"

export async function startBareBroker(): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), "broker-bench-"))
  const started = performance.now()
  const child = fork(fileURLToPath(import.meta.url), ["serve"], { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  const mqttPort = await portFrom(child)
  return brokerOf({ mqttPort, child, folder, readyMs: performance.now() - started })
}

function serve(): void {
  const subscribers: Socket[] = []
  const server = createServer({ noDelay: true }, (socket) => {
    let torn: Buffer = Buffer.alloc(0)
    socket.on("error", () => socket.destroy())
    socket.on("data", (piece: Buffer) => {
      const bytes = torn.length === 0 ? piece : Buffer.concat([torn, piece])
      const acknowledgements = Buffer.allocUnsafe(bytes.length >> 1)
      let length = 0
      let at = 0
      // Every packet that the load generator sends is shorter than 128 bytes: its length is one byte.
      for (let next = 0; at + 2 <= bytes.length; at = next) {
        next = at + 2 + bytes[at + 1]!
        if (next > bytes.length) break
        const first = bytes[at]!
        if (first === 0x10) socket.write(Buffer.from([0x20, 2, 0, 0]))
        else if (first === 0x82) {
          subscribers.push(socket)
          socket.write(Buffer.from([0x90, 3, 0, 1, bytes[next - 1]!]))
        } else if (first === 0x32) {
          const id = at + 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
          acknowledgements[length] = 0x40
          acknowledgements[length + 1] = 2
          acknowledgements[length + 2] = bytes[id]!
          acknowledgements[length + 3] = bytes[id + 1]!
          length += 4
        }
      }
      if (subscribers.length > 0 && (bytes[0]! & 0xf0) === 0x30) {
        for (const subscriber of subscribers) subscriber.write(bytes.subarray(0, at))
      }
      if (length > 0) socket.write(acknowledgements.subarray(0, length))
      torn = bytes.subarray(at)
    })
  })
  server.listen(0, "127.0.0.1", 4096, () => {
    const address = server.address()
    process.send?.(typeof address === "object" ? address?.port : undefined)
  })
}

if (process.send !== undefined && process.argv[2] === "serve" && process.argv[1] === fileURLToPath(import.meta.url)) {
  serve()
}
