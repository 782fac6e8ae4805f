/** MQTT over WebSocket with a real client, and with frames that no client sends. */
import { connectAsync } from "mqtt"
import { generate, type Packet, parser } from "mqtt-packet"
import { expect, test } from "vitest"
import { WebSocket } from "ws"
import { apiRig } from "../../../../../test/rig/api.ts"
import { parseRawAnswer, rawConnection } from "../../../../../test/rig/raw-http.ts"
import { listenTo } from "../../../../../test/rig/web-socket.ts"
import type { ApiOptions } from "../options.ts"

async function opened(options: Partial<ApiOptions> = {}) {
  const rig = await apiRig()
  const api = await rig.listen(options)
  return {
    rig,
    api,
    url: `${api.url.replace("http", "ws")}/mqtt`,
    async [Symbol.asyncDispose]() {
      await api.close()
      await rig.mqtt.close()
    },
  }
}

interface RawClient {
  readonly socket: WebSocket
  readonly packets: Packet[]
  readonly closed: Promise<number>
}

/** A WebSocket that takes packets apart as they come. */
async function rawClient(url: string, protocol = "mqtt"): Promise<RawClient> {
  const socket = new WebSocket(url, protocol)
  const packets: Packet[] = []
  const reader = parser({ protocolVersion: 5 })
  reader.on("packet", (packet) => packets.push(packet))
  socket.on("message", (bytes: Buffer) => reader.parse(bytes))
  const closed = new Promise<number>((resolve) => socket.once("close", resolve))
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve)
    socket.once("error", reject)
  })
  return { socket, packets, closed }
}

const connectPacket = (clientId: string) => generate({ cmd: "connect", protocolVersion: 5, clientId, clean: true })
const publishPacket = (topic: string, messageId: number) =>
  generate(
    { cmd: "publish", topic, payload: "4.5", qos: 1, messageId, dup: false, retain: false },
    { protocolVersion: 5 },
  )

test.each([4, 5] as const)("mqtt.js speaks version %i with the node over a WebSocket", async (protocolVersion) => {
  await using open = await opened()
  const client = await connectAsync(open.url, { protocolVersion, clientId: "page", reconnectPeriod: 0 })
  const heard = new Promise<string>((resolve) => client.once("message", (topic, bytes) => resolve(`${topic} ${bytes}`)))
  await client.subscribeAsync("a/#", { qos: 1 })
  await client.publishAsync("a/b", "x".repeat(200_000), { qos: 2 })
  expect(await heard).toBe(`a/b ${"x".repeat(200_000)}`)
  expect(open.rig.mqtt.client("page")).toMatchObject({
    transport: "websocket",
    protocol: protocolVersion === 5 ? "5.0" : "3.1.1",
  })
  await client.endAsync()
  await expect.poll(() => open.rig.mqtt.client("page")?.isConnected ?? false).toBe(false)
})

test("packets may be split over messages and share one", async () => {
  await using open = await opened()
  const { socket, packets } = await rawClient(open.url)
  for (const byte of connectPacket("split")) socket.send(Buffer.of(byte))
  await expect.poll(() => packets.length).toBe(1)
  socket.send(Buffer.concat([1, 2, 3].map((id) => publishPacket("a/b", id))))
  await expect.poll(() => packets.map(({ cmd }) => cmd)).toEqual(["connack", "puback", "puback", "puback"])
  socket.terminate()
})

test("a client of 3.1 offers the name of its time", async () => {
  await using open = await opened()
  const { socket } = await rawClient(open.url, "mqttv3.1")
  expect(socket.protocol).toBe("mqttv3.1")
  socket.terminate()
})

test.each([
  ["another subprotocol", { protocols: ["brume.v1"] }, /^400 .*another protocol/],
  ["no subprotocol", { protocols: [] }, /^400 .*another protocol/],
  ["a stranger's page", { protocols: ["mqtt"], headers: { origin: "https://evil.example" } }, /^403 .*origin_refused/],
  ["a rebound name", { protocols: ["mqtt"], headers: { host: "evil.example" } }, /^421 .*host_refused/],
])("a handshake with %s is refused with a problem", async (_name, options, reason) => {
  await using open = await opened()
  await expect(listenTo(open.url, options)).rejects.toThrow(reason)
})

test("a request for /mqtt that is no handshake is told what is there", async () => {
  await using open = await opened()
  const answer = await fetch(`${open.api.url}/mqtt`)
  expect([answer.status, (await answer.json()).code]).toEqual([400, "request_invalid"])
})

test("text is not MQTT: its sender is cut off, and what it sends behind it is not read", async () => {
  await using open = await opened()
  const { socket, packets, closed } = await rawClient(open.url)
  socket.send("hello")
  socket.send(connectPacket("text"))
  expect(await closed).toBe(1003)
  expect(packets).toEqual([])
})

test("a frame of 256 MB ends the connection by its header", async () => {
  await using open = await opened()
  const connection = await rawConnection(open.api.address)
  connection.write(
    "GET /mqtt HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
      "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: mqtt\r\n\r\n",
  )
  expect(parseRawAnswer(await connection.until("\r\n\r\n")).status).toBe(101)
  const header = Buffer.alloc(14)
  header.set([0x82, 0xff])
  header.writeBigUInt64BE(268_435_456n, 2)
  connection.write(header)
  // A closing frame with the code 1009.
  expect(Buffer.from(await connection.ended(), "latin1").includes(Buffer.of(0x88, 0x02, 0x03, 0xf1))).toBe(true)
})

test("connections beyond the limit are refused until one ends", async () => {
  await using open = await opened({ limits: { maxMqttConnections: 1 } })
  const first = await rawClient(open.url)
  await expect(listenTo(open.url, { protocols: ["mqtt"] })).rejects.toThrow(/^503 .*too_many_connections/)
  first.socket.close()
  await first.closed
  await expect.poll(() => rawClient(open.url).then(() => "open", String)).toBe("open")
})

test("a client that came through a proxy is not taken for one of this machine", async () => {
  await using open = await opened()
  const asked: boolean[] = []
  const { webSockets } = open.rig.mqtt
  const mqtt = {
    webSockets: {
      ...webSockets,
      serve: (...[socket, from]: Parameters<typeof webSockets.serve>) => {
        asked.push(from.isForwarded)
        socket.close()
      },
    },
  }
  const api = await open.rig.listen({ mqtt: { ...open.rig.mqtt, ...mqtt } })
  for (const headers of [{}, { "x-forwarded-for": "192.0.2.7" }]) {
    const { closed } = await listenTo(`${api.url}/mqtt`, { protocols: ["mqtt"], headers })
    await closed
  }
  expect(asked).toEqual([false, true])
  await api.close()
})

test("a node that stops says so to its clients and ends, also with one that does not answer", async () => {
  const open = await opened()
  const clients = await Promise.all([rawClient(open.url), rawClient(open.url)])
  for (const [index, { socket }] of clients.entries()) socket.send(connectPacket(`c${index}`))
  for (const { packets } of clients) await expect.poll(() => packets.length).toBe(1)
  clients[1]!.socket.pause()
  await open[Symbol.asyncDispose]()
  await clients[0]!.closed
  expect(clients[0]!.packets[1]).toMatchObject({ cmd: "disconnect", reasonCode: 0x8b })
  clients[1]!.socket.resume()
  await clients[1]!.closed
})
