/** aedes, a broker written for Node.js, in a process of its own: default options, everything in memory. */
import { fork } from "node:child_process"
import { mkdtemp } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Aedes } from "aedes"
import { type Broker, brokerOf, portFrom } from "./brokers.ts"

export async function startAedes(): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), "broker-bench-"))
  const started = performance.now()
  const child = fork(fileURLToPath(import.meta.url), ["serve"], { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  const mqttPort = await portFrom(child)
  return brokerOf({ mqttPort, child, folder, readyMs: performance.now() - started })
}

async function serve(): Promise<void> {
  const broker = await Aedes.createBroker()
  const server = createServer({ noDelay: true }, broker.handle)
  server.listen(0, "127.0.0.1", 4096, () => {
    const address = server.address()
    process.send?.(typeof address === "object" ? address?.port : undefined)
  })
}

if (process.send !== undefined && process.argv[2] === "serve" && process.argv[1] === fileURLToPath(import.meta.url)) {
  await serve()
}
