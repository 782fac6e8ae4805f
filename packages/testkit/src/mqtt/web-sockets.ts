/** MQTT over WebSocket: chapter 6. */
import { expect } from "vitest"
import { WebSocket } from "ws"
import { encodeConnect, encodeDisconnect, encodePublish, pingreq } from "./packets.ts"
import type { Chapter, Trial } from "./trial.ts"

interface Socket {
  readonly socket: WebSocket
  /** Bytes of binary frames; a text frame from the broker fails the wait. */
  bytes(count: number): Promise<Buffer>
  readonly closed: Promise<void>
}

async function open(trial: Trial, protocols: readonly string[]): Promise<Socket> {
  const { webSocketUrl } = trial.broker
  if (webSocketUrl === undefined) trial.context.skip("the broker speaks no MQTT over WebSocket")
  const socket = new WebSocket(webSocketUrl!, [...protocols])
  let bytes = Buffer.alloc(0)
  let isText = false
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (!isBinary) isText = true
    bytes = Buffer.concat([bytes, data])
  })
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve)
    socket.once("error", reject)
  })
  return {
    socket,
    closed,
    async bytes(count) {
      for (let turn = 0; bytes.length < count; turn++) {
        if (turn === 500) throw new Error(`${bytes.length} of ${count} bytes came`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(isText, "[MQTT-6.0.0-1] a text frame from the broker").toBe(false)
      return bytes
    },
  }
}

const withinSeconds = (what: string, promise: Promise<void>): Promise<void> =>
  Promise.race([
    promise,
    new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`not within 5 s: ${what}`)), 5_000).unref()),
  ])

export function describeWebSockets({ both }: Chapter): void {
  both("6.0.0-4", "the sub-protocol is mqtt, also among others", async (trial) => {
    for (const protocols of [["mqtt"], ["other", "mqtt"]]) {
      const { socket } = await open(trial, protocols)
      expect(socket.protocol).toBe("mqtt")
      socket.terminate()
    }
  })

  both("6.0.0-1", "packets go both ways in binary frames", async (trial) => {
    const { socket, bytes } = await open(trial, ["mqtt"])
    socket.send(encodeConnect(trial.version, trial.connectPacket()))
    const connack = await bytes(4)
    expect([connack[0], connack[2], connack[3]]).toEqual([0x20, 0, 0])
    socket.send(pingreq)
    const all = await bytes(connack.length + 2)
    expect(all.subarray(-2)).toEqual(Buffer.from([0xd0, 0]))
    socket.terminate()
  })

  both("6.0.0-1", "a text frame ends the connection", async (trial) => {
    const { socket, bytes, closed } = await open(trial, ["mqtt"])
    socket.send(encodeConnect(trial.version, trial.connectPacket()))
    await bytes(4)
    socket.send("text")
    await withinSeconds("the end", closed)
  })

  both("6.0.0-2", "frames may hold parts of packets, and several", async (trial) => {
    const { socket, bytes } = await open(trial, ["mqtt"])
    const all = Buffer.concat([encodeConnect(trial.version, trial.connectPacket()), pingreq, pingreq, pingreq])
    // Byte by byte to the middle of the CONNECT, then the rest at once.
    for (let at = 0; at < 9; at++) socket.send(all.subarray(at, at + 1))
    socket.send(all.subarray(9))
    const connack = await bytes(4)
    const length = 2 + connack[1]!
    const found = await bytes(length + 6)
    expect(found.subarray(length)).toEqual(Buffer.from([0xd0, 0, 0xd0, 0, 0xd0, 0]))
    socket.terminate()
  })

  both(["3.14.4-1", "3.14.4-2"], "after DISCONNECT the broker closes", async (trial) => {
    const { socket, bytes, closed } = await open(trial, ["mqtt"])
    socket.send(encodeConnect(trial.version, trial.connectPacket()))
    await bytes(4)
    socket.send(encodeDisconnect(trial.version))
    await withinSeconds("the end", closed)
  })

  both(["4.8.0-1", "4.13.1-1"], "a malformed packet ends the connection", async (trial) => {
    const { socket, bytes, closed } = await open(trial, ["mqtt"])
    socket.send(encodeConnect(trial.version, trial.connectPacket()))
    await bytes(4)
    socket.send(Buffer.from([0x00, 0x00]))
    await withinSeconds("the end", closed)
  })

  both("", "a client over WebSocket and one over TCP hear each other", async (trial) => {
    const { socket, bytes } = await open(trial, ["mqtt"])
    const topic = trial.name()
    const client = await trial.client()
    await client.subscribe(topic)
    socket.send(encodeConnect(trial.version, trial.connectPacket({ clientId: trial.name("w") })))
    await bytes(4)
    socket.send(encodePublish(trial.version, { topic, payload: "over the web" }))
    expect(await client.payloads(1)).toEqual(["over the web"])
    socket.terminate()
  })
}
