import fc from "fast-check"
import { generate } from "mqtt-packet"
import { describe, expect, test, vi } from "vitest"
import { PacketReader, type PacketSink } from "./packet-reader.ts"
import { type PublishFrame, propertiesOf } from "./publish-frame.ts"
import { reason } from "./reason.ts"

type Told = readonly [what: string, ...unknown[]]
type Version = 4 | 5

/** Everything a frame says, as values of their own. Its places must lie within its packet. */
function toldFrame(frame: PublishFrame): Told {
  const { buffer, qos, isDuplicate, isRetained, packetId, topicAlias, messageExpirySeconds } = frame
  const { topicStart, topicEnd, propertiesStart, propertiesEnd, payloadStart, payloadEnd } = frame
  const places = [0, topicStart, topicEnd, propertiesStart, propertiesEnd, payloadStart, payloadEnd, buffer.length]
  expect(places).toEqual([...places].sort((one, other) => one - other))
  const topic = buffer.toString("utf8", topicStart, topicEnd)
  const payload = buffer.toString("hex", payloadStart, payloadEnd)
  const facts = { qos, isDuplicate, isRetained, packetId, topicAlias, messageExpirySeconds }
  return ["publish", topic, payload, facts, propertiesOf(frame)]
}

interface Opened {
  readonly reader: PacketReader
  readonly told: Told[]
}

/** @param meet is called within each call of the sink. */
function open(maxPacketBytes = 1_000_000, meet?: (reader: PacketReader) => void): Opened {
  const told: Told[] = []
  const tell =
    (what: string) =>
    (...facts: unknown[]): void => {
      told.push([what, ...facts])
      meet?.(reader)
    }
  const publish = tell("publish")
  const sink: PacketSink = {
    publish: (frame) => {
      publish()
      told[told.length - 1] = toldFrame(frame)
    },
    acknowledged: tell("acknowledged"),
    ping: tell("ping"),
    connect: tell("connect"),
    subscribe: tell("subscribe"),
    unsubscribe: tell("unsubscribe"),
    disconnect: tell("disconnect"),
    auth: tell("auth"),
    broken: (code) => told.push(["broken", code]),
  }
  const reader = new PacketReader({ maxPacketBytes, sink })
  return { reader, told }
}

const connectBytes = (protocolVersion: Version): Buffer =>
  generate({ cmd: "connect", clientId: "c", protocolId: "MQTT", protocolVersion, clean: true, keepalive: 60 })

function pushAll(reader: PacketReader, bytes: Buffer, cuts: readonly number[] = []): void {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((one, other) => one - other)
  for (const [index, from] of [0, ...places].entries()) reader.push(bytes.subarray(from, places[index] ?? bytes.length))
}

// Packets as clients send them, for mqtt-packet's generator, with what our reader must say of them.

const letters = fc.string({ unit: fc.constantFrom("a", "b", "é", "€", "😀", " "), maxLength: 5 })
const name = letters.map((text) => `x${text}`)
const bytes = fc.uint8Array({ maxLength: 200 }).map((content) => Buffer.from(content))
const identifier = fc.integer({ min: 1, max: 65_535 })
const filter = fc.constantFrom("#", "+", "a/+/b", "a/#", "/", "$share/g/a/#", "$SYS/#", "é/€")
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })

/** Leaves out what is undefined: mqtt-packet takes a missing property and an undefined one for different things. */
function given<T extends object>(properties: T): T {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as T
}

const users = fc.array(fc.tuple(fc.constantFrom("k", "l"), letters), { maxLength: 3 }).map((pairs) => {
  // mqtt-packet wants them by name.
  const byName: Record<string, string[]> = {}
  for (const [key, value] of pairs) byName[key] = [...(byName[key] ?? []), value]
  const inOrder = Object.entries(byName).flatMap(([key, values]) => values.map((value) => [key, value] as const))
  return { byName: pairs.length === 0 ? undefined : byName, inOrder }
})

interface Sample {
  readonly version: Version
  readonly bytes: Buffer
  readonly told: Told
}

const publishes = fc
  .record({
    version: fc.constantFrom<Version>(4, 5),
    topic: name,
    payload: bytes,
    qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    retain: fc.boolean(),
    dup: fc.boolean(),
    messageId: identifier,
    alias: maybe(identifier),
    expiry: maybe(fc.nat(0xffff_ffff)),
    format: maybe(fc.boolean()),
    contentType: maybe(letters),
    responseTopic: maybe(name),
    correlationData: maybe(bytes),
    users,
  })
  .map((one): Sample => {
    const { version, topic, payload, qos, retain, messageId, alias, expiry, format } = one
    const { contentType, responseTopic, correlationData } = one
    const dup = one.dup && qos > 0
    const shared = { contentType, responseTopic, correlationData }
    const asked = { payloadFormatIndicator: format, messageExpiryInterval: expiry, topicAlias: alias }
    const properties = given({ ...shared, ...asked, userProperties: one.users.byName })
    const written = generate(
      {
        cmd: "publish",
        topic,
        payload,
        qos,
        retain,
        dup,
        messageId,
        ...(version === 5 ? { properties } : {}),
      } as never,
      { protocolVersion: version },
    )
    const is5 = version === 5
    const facts = {
      ...{ qos, isDuplicate: dup, isRetained: retain, packetId: qos === 0 ? 0 : messageId },
      ...{ topicAlias: is5 ? (alias ?? 0) : 0, messageExpirySeconds: is5 ? (expiry ?? -1) : -1 },
    }
    const numbers = { payloadFormatIndicator: format === undefined ? undefined : Number(format) }
    const userProperties = one.users.inOrder.length === 0 ? undefined : one.users.inOrder
    const decoded = is5 ? given({ ...properties, ...numbers, userProperties }) : {}
    return { version, bytes: written, told: ["publish", topic, payload.toString("hex"), facts, given(decoded)] }
  })

const acknowledgements = fc
  .record({
    version: fc.constantFrom<Version>(4, 5),
    cmd: fc.constantFrom("puback", "pubrec", "pubrel", "pubcomp"),
    messageId: identifier,
    isGood: fc.boolean(),
    reasonString: maybe(letters),
  })
  .map(({ version, cmd, messageId, isGood, reasonString }): Sample => {
    const type = { puback: 4, pubrec: 5, pubrel: 6, pubcomp: 7 }[cmd]!
    const code = isGood || version === 4 ? 0 : type < 6 ? reason.quotaExceeded : reason.packetIdentifierNotFound
    const versed = version === 5 ? { reasonCode: code, properties: given({ reasonString }) } : {}
    const written = generate({ cmd, messageId, ...versed } as never, { protocolVersion: version })
    return { version, bytes: written, told: ["acknowledged", type, messageId, code] }
  })

const subscribes = fc
  .record({
    version: fc.constantFrom<Version>(4, 5),
    messageId: identifier,
    subscriptionIdentifier: maybe(fc.integer({ min: 1, max: 268_435_455 })),
    users,
    subscriptions: fc.array(
      fc.record({
        topic: filter,
        qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
        nl: fc.boolean(),
        rap: fc.boolean(),
        rh: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ version, messageId, subscriptionIdentifier, users: { byName, inOrder }, subscriptions }): Sample => {
    const is5 = version === 5
    const asked = subscriptions.map((one) => ({ ...one, nl: one.nl && !one.topic.startsWith("$share/") }))
    const properties = given({ subscriptionIdentifier, userProperties: byName })
    const written = generate(
      { cmd: "subscribe", messageId, subscriptions: asked, ...(is5 ? { properties } : {}) } as never,
      {
        protocolVersion: version,
      },
    )
    const told = {
      packetId: messageId,
      subscriptionIdentifier: is5 ? (subscriptionIdentifier ?? 0) : 0,
      userProperties: is5 ? inOrder : [],
      subscriptions: asked.map(({ topic, qos, nl, rap, rh }) => ({
        ...{ filter: topic, qos, noLocal: is5 && nl, retainAsPublished: is5 && rap, retainHandling: is5 ? rh : 0 },
      })),
    }
    return { version, bytes: written, told: ["subscribe", told] }
  })

const unsubscribes = fc
  .record({
    version: fc.constantFrom<Version>(4, 5),
    messageId: identifier,
    filters: fc.array(filter, { minLength: 1 }),
  })
  .map(({ version, messageId, filters }): Sample => {
    const written = generate({ cmd: "unsubscribe", messageId, unsubscriptions: filters } as never, {
      protocolVersion: version,
    })
    return { version, bytes: written, told: ["unsubscribe", { packetId: messageId, filters, userProperties: [] }] }
  })

const pings = fc
  .constantFrom<Version>(4, 5)
  .map((version): Sample => ({ version, bytes: generate({ cmd: "pingreq" }), told: ["ping"] }))

const samples = fc.oneof(publishes, acknowledgements, subscribes, unsubscribes, pings)
const streams = fc
  .tuple(fc.constantFrom<Version>(4, 5), fc.array(samples, { maxLength: 8 }))
  .map(([version, list]) => ({ version, list: list.filter((one) => one.version === version) }))

describe("what mqtt-packet writes is read as it was meant", () => {
  test("single packets", () => {
    fc.assert(
      fc.property(samples, ({ version, bytes: written, told: meant }) => {
        const { reader, told } = open()
        pushAll(reader, connectBytes(version))
        pushAll(reader, written)
        expect(told.slice(1)).toEqual([meant])
      }),
      { numRuns: 500 },
    )
  })

  test("CONNECT with all its fields", () => {
    const properties = {
      ...{ sessionExpiryInterval: 7, receiveMaximum: 8, maximumPacketSize: 9_000, topicAliasMaximum: 10 },
      ...{ requestResponseInformation: true, requestProblemInformation: false, userProperties: { k: ["1", "2"] } },
      ...{ authenticationMethod: "m", authenticationData: Buffer.from("d") },
    }
    const willProperties = {
      willDelayInterval: 11,
      messageExpiryInterval: 12,
      contentType: "text/plain",
      responseTopic: "r",
    }
    const { reader, told } = open()
    const written = generate({
      ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clean: true, clientId: "id", keepalive: 30 },
      ...{ username: "u", password: Buffer.from("p"), properties },
      will: { topic: "w", payload: Buffer.from("gone"), qos: 2, retain: true, properties: willProperties },
    })
    pushAll(reader, written)
    const forwarded = Buffer.concat([
      Buffer.from([3, 0, 10]),
      Buffer.from("text/plain"),
      Buffer.from([8, 0, 1]),
      Buffer.from("r"),
    ])
    const will = {
      ...{ topic: "w", payload: Buffer.from("gone"), qos: 2, isRetained: true, delaySeconds: 11 },
      ...{ messageExpirySeconds: 12, properties: forwarded },
    }
    const connect = {
      ...{ version: 5, level: 5, clientId: "id", isCleanStart: true, keepAliveSeconds: 30, userName: "u", will },
      ...{ password: Buffer.from("p"), sessionExpirySeconds: 7, receiveMaximum: 8, maximumPacketBytes: 9_000 },
      ...{ topicAliasMaximum: 10, wantsResponseInformation: true, wantsProblemInformation: false },
      ...{ authenticationMethod: "m", authenticationData: Buffer.from("d") },
      userProperties: [
        ["k", "1"],
        ["k", "2"],
      ],
    }
    expect(told).toEqual([["connect", connect]])
  })

  test("DISCONNECT and AUTH", () => {
    const { reader, told } = open()
    pushAll(reader, connectBytes(5))
    const asked = { authenticationMethod: "m", authenticationData: Buffer.from("d") }
    pushAll(reader, generate({ cmd: "auth", reasonCode: 0x18, properties: asked } as never, { protocolVersion: 5 }))
    const ending = { sessionExpiryInterval: 5, reasonString: "bye" }
    pushAll(reader, generate({ cmd: "disconnect", reasonCode: 4, properties: ending } as never, { protocolVersion: 5 }))
    pushAll(reader, generate({ cmd: "pingreq" }))
    expect(told.slice(1)).toEqual([
      ["auth", { reason: 0x18, ...asked, reasonString: undefined, userProperties: [] }],
      ["disconnect", { reason: 4, sessionExpirySeconds: 5, reasonString: "bye", userProperties: [] }],
    ])
  })
})

describe("a stream", () => {
  test("says the same however it is cut, and however often its sink pauses", () => {
    const cuts = fc.array(fc.nat(2_000), { maxLength: 12 })
    fc.assert(
      fc.property(streams, cuts, fc.boolean(), ({ version, list }, places, isPausing) => {
        const { reader, told } = open(1_000_000, (one) => isPausing && one.pause())
        pushAll(reader, Buffer.concat([connectBytes(version), ...list.map((one) => one.bytes)]), places)
        for (let turn = 0; isPausing && turn <= list.length; turn++) {
          // One packet, and no more, before the sink says so.
          expect(told).toHaveLength(turn + 1)
          reader.resume()
        }
        expect(told.slice(1)).toEqual(list.map((one) => one.told))
      }),
    )
  })

  test("comes byte by byte", () => {
    fc.assert(
      fc.property(streams, ({ version, list }) => {
        const { reader, told } = open()
        const all = Buffer.concat([connectBytes(version), ...list.map((one) => one.bytes)])
        for (let at = 0; at < all.length; at++) reader.push(all.subarray(at, at + 1))
        expect(told.slice(1)).toEqual(list.map((one) => one.told))
      }),
      { numRuns: 30 },
    )
  })

  test("with bytes changed, lost or added, is read or refused: nothing is thrown, nothing comes after a refusal", () => {
    const change = fc.record({ at: fc.nat(), kind: fc.constantFrom("set", "cut", "add"), byte: fc.nat(255) })
    fc.assert(
      fc.property(streams, fc.array(change, { minLength: 1, maxLength: 4 }), ({ version, list }, mutations) => {
        const { reader, told } = open()
        pushAll(reader, connectBytes(version))
        const spoiled = [...Buffer.concat(list.map((one) => one.bytes))]
        for (const { at, kind, byte } of mutations) {
          const place = at % (spoiled.length + 1)
          if (kind === "set" && place < spoiled.length) spoiled[place] = byte
          else spoiled.splice(place, kind === "cut" ? 1 : 0, ...(kind === "cut" ? [] : [byte]))
        }
        // Chunks end where they end: reading beyond would find undefined, and places out of order.
        pushAll(reader, Buffer.from(spoiled), [7, 50, 51])
        const broken = told.findIndex(([what]) => what === "broken" || what === "disconnect")
        expect(broken === -1 || broken === told.length - 1).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  test("a packet means the same whatever follows it: nothing beyond its end is looked at", () => {
    const mutations = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })
    fc.assert(
      fc.property(samples, mutations, fc.uint8Array({ maxLength: 40 }), ({ version, bytes: good }, list, tail) => {
        const spoiled = Buffer.from(good)
        const headerBytes = good[1]! < 0x80 ? 2 : 3
        for (const [at, byte] of list) {
          if (good.length > headerBytes) spoiled[headerBytes + (at % (good.length - headerBytes))] = byte
        }
        const [alone, followed] = [spoiled, Buffer.concat([spoiled, tail])].map((stream) => {
          const { reader, told } = open()
          pushAll(reader, connectBytes(version))
          pushAll(reader, stream)
          return told[1]
        })
        expect(followed).toEqual(alone)
        expect(alone).toBeDefined()
      }),
      { numRuns: 1_000 },
    )
  })

  test("of random bytes is read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom<Version>(4, 5), (noise, version) => {
        const { reader, told } = open()
        pushAll(reader, connectBytes(version))
        pushAll(reader, Buffer.from(noise))
        const broken = told.findIndex(([what]) => what === "broken")
        expect(broken === -1 || broken === told.length - 1).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  test("may pause and resume within one call, and stop", () => {
    const ping = generate({ cmd: "pingreq" })
    const all = Buffer.concat([connectBytes(4), ping, ping, ping])
    const paused = open(100, (reader) => {
      reader.pause()
      reader.resume()
    })
    pushAll(paused.reader, all)
    expect(paused.told).toHaveLength(4)
    const stopped = open(100, (reader) => stopped.told.length === 2 && reader.stop())
    pushAll(stopped.reader, all)
    pushAll(stopped.reader, ping)
    stopped.reader.resume()
    expect(stopped.told).toHaveLength(2)
  })

  test("what a sink throws goes to whoever pushed, and nothing more is read", () => {
    const { reader, told } = open(100, () => {
      throw new Error("fault of the sink")
    })
    expect(() => reader.push(connectBytes(4))).toThrow("fault of the sink")
    reader.push(generate({ cmd: "pingreq" }))
    expect(told).toHaveLength(1)
  })

  test("a packet of exactly the limit is taken", () => {
    const publish = (payloadBytes: number): Buffer =>
      generate({ cmd: "publish", topic: "t", payload: Buffer.alloc(payloadBytes), qos: 0, retain: false, dup: false })
    const { reader, told } = open(publish(500).length)
    pushAll(reader, connectBytes(4))
    pushAll(reader, publish(500))
    pushAll(reader, publish(501))
    expect(told.slice(1).map(([what]) => what)).toEqual(["publish", "broken"])
  })

  test("a length that is announced costs no memory before its bytes come", () => {
    const open256 = open(300_000_000)
    pushAll(open256.reader, connectBytes(4))
    const before = process.memoryUsage().arrayBuffers
    pushAll(open256.reader, Buffer.from("30ffffff7f00", "hex"))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  test("a large packet in small chunks is read in linear time", () => {
    const payload = Buffer.alloc(4_000_000, 7)
    const publish = generate({ cmd: "publish", topic: "t", payload, qos: 0, retain: false, dup: false })
    const { reader, told } = open(5_000_000)
    pushAll(reader, connectBytes(4))
    const copy = vi.spyOn(Buffer.prototype, "copy")
    for (let at = 0; at < publish.length; at += 100) reader.push(publish.subarray(at, at + 100))
    const copied = copy.mock.results.reduce((sum, { value }) => sum + Number(value), 0)
    copy.mockRestore()
    expect(told[1]?.[2]).toHaveLength(8_000_000)
    // Each byte once, and once more for each doubling.
    expect(copied).toBeLessThan(3 * publish.length)
    expect(copied).toBeGreaterThan(publish.length)
  })
})
