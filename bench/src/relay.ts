/**
 * The least that a reaction over a broker can cost: a process that subscribes readings and publishes a command for each that
 * is above a threshold, with raw sockets and nothing else.
 */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { connectPacket, packetTypes, publishPacket, subscribePacket } from "./mqtt-packets.ts"
import { openConnection } from "./raw-connection.ts"
import { cpuSecondsOf } from "./servers.ts"

export interface Relay extends AsyncDisposable {
  cpuSeconds(): Promise<number>
}

export interface RelayTerms {
  readonly port: number
  readonly readingTopic: string
  readonly commandTopic: string
  readonly qos: 0 | 1
}

export async function startRelay(terms: RelayTerms): Promise<Relay> {
  const child = fork(fileURLToPath(import.meta.url), ["relay", JSON.stringify(terms)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  await new Promise((resolve, reject) => {
    child.once("message", resolve)
    child.once("exit", (code) => reject(new Error(`the relay ended with ${code}`)))
  })
  return {
    cpuSeconds: () => cpuSecondsOf(child),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await ended
    },
  }
}

/** Every packet that it gets is small and comes whole. */
async function relay({ port, readingTopic, commandTopic, qos }: RelayTerms): Promise<void> {
  const connection = await openConnection(port)
  connection.onBytes = (bytes, length) => {
    for (let at = 0; at < length; ) {
      const end = at + 2 + bytes[at + 1]!
      const type = bytes[at]! & 0xf0
      if (type === packetTypes.connack) connection.socket.write(subscribePacket(readingTopic, qos))
      else if (type === packetTypes.suback) process.send?.("ready")
      else if (type === packetTypes.publish) {
        const topicEnd = at + 4 + bytes.readUInt16BE(at + 2)
        const value = bytes.toString("latin1", qos === 1 ? topicEnd + 2 : topicEnd, end)
        if (Number(value) > 30)
          connection.socket.write(publishPacket(commandTopic, Buffer.from(`{"value":${value}}`), qos))
        if (qos === 1)
          connection.socket.write(Buffer.from([packetTypes.puback, 2, bytes[topicEnd]!, bytes[topicEnd + 1]!]))
      }
      at = end
    }
  }
  connection.socket.write(connectPacket("relay", true))
}

if (process.send !== undefined && process.argv[2] === "relay" && process.argv[1] === fileURLToPath(import.meta.url)) {
  await relay(JSON.parse(process.argv[3]!) as RelayTerms)
}
