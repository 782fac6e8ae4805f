/** What the bridge writes, a client library's parser reads; what a server's generator writes, the bridge reads. */
import { generate, type Packet, parser } from "mqtt-packet"
import { describe, expect, test } from "vitest"
import { encodeConnect, encodeSubscribe, encodeUnsubscribe, type Hello } from "./client-writer.ts"
import { GatheredOutput } from "./gathered-output.ts"
import { RemoteReader } from "./remote-reader.ts"

const hello: Hello = {
  version: 5,
  isMarkedAsBridge: false,
  clientId: "näme",
  keepAliveS: 300,
  username: "user",
  password: "pass",
  properties: { sessionExpiryInterval: 60, receiveMaximum: 10, userProperties: [["a", "b"]] },
}

function parsed(bytes: Buffer, version: 4 | 5): Packet {
  const packets: Packet[] = []
  const reader = parser({ protocolVersion: version })
  reader.on("packet", (packet: Packet) => packets.push(packet))
  reader.on("error", (error) => {
    throw error
  })
  reader.parse(bytes)
  expect(packets.length).toBe(1)
  return packets[0]!
}

test("CONNECT asks for a session that stays", () => {
  expect(parsed(encodeConnect(hello), 5)).toMatchObject({
    ...{ cmd: "connect", protocolVersion: 5, clientId: "näme", keepalive: 300, clean: false, username: "user" },
    password: Buffer.from("pass"),
    properties: { sessionExpiryInterval: 60, receiveMaximum: 10, userProperties: { a: "b" } },
  })
  const { properties, ...old } = parsed(encodeConnect({ ...hello, version: 4, password: undefined }), 4) as Packet & {
    properties?: unknown
  }
  expect(old).toMatchObject({ protocolVersion: 4, clean: false, username: "user" })
  expect(properties).toBeUndefined()
})

test("the mark of a bridge is the upper bit of the version", () => {
  const marked = encodeConnect({ ...hello, version: 4, isMarkedAsBridge: true })
  expect(parsed(marked, 4)).toMatchObject({ protocolVersion: 4, bridgeMode: true })
})

test.each([4, 5] as const)("SUBSCRIBE and UNSUBSCRIBE of version %d", (version) => {
  const filters = [["a/#", 1] as const, ["b/+", 2] as const]
  const subscriptions = (parsed(encodeSubscribe(version, 7, filters), version) as never)["subscriptions"]
  const options = version === 5 ? { nl: true, rap: true, rh: 1 } : {}
  expect(subscriptions).toMatchObject([
    { topic: "a/#", qos: 1, ...options },
    { topic: "b/+", qos: 2, ...options },
  ])
  const packet = parsed(encodeUnsubscribe(version, 8, ["a/#"]), version)
  expect(packet).toMatchObject({ cmd: "unsubscribe", messageId: 8, unsubscriptions: ["a/#"] })
})

/** What a reader makes of bytes, cut into chunks of a size. */
function read(bytes: Buffer, version: 4 | 5, chunkBytes: number, maxPacketBytes = 10_000): string[] {
  const said: string[] = []
  const reader = new RemoteReader({
    version,
    maxPacketBytes,
    sink: {
      connack: ({ reason, isSessionPresent, properties }) =>
        said.push(`connack ${reason} ${isSessionPresent} ${properties.receiveMaximum ?? "-"}`),
      publish: ({ buffer, topicStart, topicEnd, payloadStart, payloadEnd, qos, packetId }) =>
        said.push(
          `publish ${buffer.toString("utf8", topicStart, topicEnd)} ${payloadEnd - payloadStart} ${qos} ${packetId}`,
        ),
      acknowledged: (type, packetId, code) => said.push(`answer ${type} ${packetId} ${code}`),
      subscribed: (packetId, codes) => said.push(`suback ${packetId} ${codes.join()}`),
      dismissed: (code, { reasonString }) => said.push(`disconnect ${code} ${reasonString}`),
      broken: (why) => said.push(`broken ${why}`),
    },
  })
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.push(Buffer.from(bytes.subarray(at, at + chunkBytes)))
  return said
}

describe.each([4, 5] as const)("a server of version %d", (version) => {
  const code = (reasonCode: number) => (version === 5 ? { reasonCode } : {})
  const properties = version === 5 ? { receiveMaximum: 20 } : undefined
  const packets: Packet[] = [
    { cmd: "connack", sessionPresent: true, returnCode: 0, ...code(0), ...(properties && { properties }) },
    { cmd: "suback", messageId: 3, granted: [0, 1, 128] },
    { cmd: "publish", topic: "a/b", payload: "x".repeat(3_000), qos: 1, messageId: 9, dup: false, retain: false },
    { cmd: "puback", messageId: 1, ...code(0) },
    { cmd: "pubrec", messageId: 2, ...code(0x87) },
    { cmd: "pingresp" },
    { cmd: "unsuback", messageId: 4, granted: [0] },
    { cmd: "publish", topic: "c", payload: "", qos: 0, dup: false, retain: true },
  ]
  const bytes = Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion: version })))

  test.each([1, 7, 1_000, 100_000])("is understood in chunks of %d bytes", (chunkBytes) => {
    expect(read(bytes, version, chunkBytes)).toEqual([
      `connack 0 true ${version === 5 ? 20 : "-"}`,
      "suback 3 0,1,128",
      "publish a/b 3000 1 9",
      "answer 4 1 0",
      `answer 5 2 ${version === 5 ? 135 : 0}`,
      "publish c 0 0 0",
    ])
  })

  test("that sends more than it was told it may is not listened to", () => {
    const said = read(bytes, version, 100, 2_000)
    expect(said.at(-1)).toMatch(/^broken The remote broker sent a packet of 30\d\d bytes$/)
    expect(said.filter((text) => text.startsWith("broken")).length).toBe(1)
  })
})

test("an old server's refusal of 5.0 is understood", () => {
  expect(read(Buffer.of(0x20, 2, 0, 1), 5, 10)).toEqual(["connack 132 false -"])
})

test.each([
  ["a length of five bytes", Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80, 1)],
  ["a CONNECT", Buffer.of(0x10, 0)],
  ["a cut SUBACK", Buffer.of(0x90, 1, 0)],
  ["a topic with a wildcard", Buffer.of(0x30, 3, 0, 1, 0x23)],
  ["QoS 3", Buffer.of(0x36, 5, 0, 1, 0x61, 0, 1)],
])("%s ends it", (_what, bytes) => {
  for (const version of [4, 5] as const) expect(read(bytes, version, 1)[0]).toMatch(/^broken/)
})

test("what was taken from an output is not written again", () => {
  const output = new GatheredOutput()
  const taken: Buffer[] = []
  for (let byte = 0; byte < 100; byte++) {
    output.reserve(999)
    output.bytes.fill(byte, output.at, output.at + 999)
    output.at += 999
    if (byte % 3 === 0) taken.push(output.take())
  }
  const all = Buffer.concat([...taken, output.take()])
  expect(all.length).toBe(99_900)
  for (let byte = 0; byte < 100; byte++)
    expect(all.subarray(byte * 999, byte * 999 + 999).every((one) => one === byte)).toBe(true)
})
