import fc from "fast-check"
import { parser as createParser, type Packet } from "mqtt-packet"
import { describe, expect, test } from "vitest"
import { maxAcknowledgementBytes, writeAcknowledgement } from "./acknowledgement-writer.ts"
import {
  type AnswerForm,
  writeAuth,
  writeConnack,
  writeDisconnect,
  writePingresp,
  writeSuback,
  writeUnsuback,
} from "./answer-writer.ts"
import type { Output } from "./output.ts"
import type { AcknowledgementType } from "./packet-type.ts"
import { decodeProperties, encodeProperties, type Properties } from "./properties.ts"
import { PublishParser, propertiesOf } from "./publish-frame.ts"
import {
  createPublishTemplate,
  encodePublish,
  type OutgoingMessage,
  type PublishForm,
  publishBytes,
  writeCopy,
  writeCopyHead,
  writePublish,
} from "./publish-writer.ts"
import { connackReturnCode, reason } from "./reason.ts"

/** Everything that was written, as one piece. */
class Gathered implements Output {
  bytes = Buffer.alloc(0)
  at = 0

  reserve(count: number): void {
    if (this.at + count > this.bytes.length)
      this.bytes = Buffer.concat([this.bytes.subarray(0, this.at)], this.at + count)
  }

  take(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.at))
    this.at = 0
    return taken
  }
}

/** What mqtt-packet reads: exactly one packet, and nothing left over. */
function readByOther(bytes: Buffer, protocolVersion: number): Packet & Record<string, unknown> {
  const other = createParser({ protocolVersion })
  const packets: Packet[] = []
  other.on("packet", (packet) => packets.push(packet))
  other.on("error", (error) => {
    throw error
  })
  expect(other.parse(bytes)).toBe(0)
  expect(packets).toHaveLength(1)
  return packets[0] as Packet & Record<string, unknown>
}

const letters = fc.string({ unit: fc.constantFrom("a", "b", "é", "€", "😀"), maxLength: 5 })
const binary = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const identifier = fc.integer({ min: 1, max: 65_535 })
const applicationProperties: fc.Arbitrary<Properties> = fc.record(
  {
    payloadFormatIndicator: fc.nat(1),
    contentType: letters,
    responseTopic: letters.map((text) => `r${text}`),
    correlationData: binary,
    userProperties: fc.array(fc.tuple(letters, letters), { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: [] },
)
const messages = fc.record({
  topic: letters.map((text) => `t/${text}`),
  payload: binary,
  properties: applicationProperties,
})
const forms: fc.Arbitrary<PublishForm> = fc.record({
  version: fc.constantFrom(4, 5),
  qos: fc.constantFrom(0, 1, 2),
  isRetained: fc.boolean(),
  packetId: identifier,
  messageExpirySeconds: fc.integer({ min: -1, max: 0xffff_ffff }),
  subscriptionIdentifiers: fc.uniqueArray(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 4 }),
  topicAlias: fc.constantFrom(0, 1, 65_535),
})

const outgoing = (one: { topic: string; payload: Buffer; properties: Properties }): OutgoingMessage => ({
  topic: Buffer.from(one.topic),
  payload: one.payload,
  properties: encodeProperties(one.properties),
})

describe("PUBLISH", () => {
  test("is read by mqtt-packet as it was meant", () => {
    fc.assert(
      fc.property(messages, forms, fc.boolean(), (message, form, isDuplicate) => {
        const output = new Gathered()
        const asked = { ...form, isDuplicate: isDuplicate && form.qos > 0 }
        writePublish(output, outgoing(message), asked)
        const bytes = output.take()
        expect(bytes).toHaveLength(publishBytes(outgoing(message), asked))
        expect(bytes).toEqual(encodePublish(outgoing(message), asked))
        const { topic, payload, qos, retain, dup, messageId, properties = {} } = readByOther(bytes, form.version)
        expect([topic, payload, qos, retain, dup]).toEqual([
          message.topic,
          message.payload,
          form.qos,
          form.isRetained,
          asked.isDuplicate,
        ])
        if (form.qos > 0) expect(messageId).toBe(form.packetId)
        const got = properties as Record<string, unknown>
        if (form.version === 4) return
        const expiry = form.messageExpirySeconds! < 0 ? undefined : form.messageExpirySeconds
        expect([got["messageExpiryInterval"], got["topicAlias"]]).toEqual([expiry, form.topicAlias || undefined])
        expect([got["subscriptionIdentifier"] ?? []].flat()).toEqual(form.subscriptionIdentifiers)
        const { contentType, responseTopic, correlationData } = message.properties
        expect([got["contentType"], got["responseTopic"], got["correlationData"]]).toEqual([
          contentType,
          responseTopic,
          correlationData,
        ])
      }),
      { numRuns: 500 },
    )
  })

  test("is read by our own reader as it was meant, where a client may send it", () => {
    fc.assert(
      fc.property(messages, forms, (message, form) => {
        const asked = { ...form, subscriptionIdentifiers: [] }
        const bytes = encodePublish(outgoing(message), asked)
        const parser = new PublishParser()
        const headerBytes = bytes[1]! < 0x80 ? 2 : 3
        expect(parser.parse(form.version, bytes[0]!, bytes, headerBytes, bytes.length)).toBe(undefined)
        const { frame } = parser
        expect(bytes.toString("utf8", frame.topicStart, frame.topicEnd)).toBe(message.topic)
        expect(bytes.subarray(frame.payloadStart, frame.payloadEnd)).toEqual(message.payload)
        if (form.version === 4) return
        const { messageExpiryInterval, topicAlias, ...rest } = propertiesOf(frame)
        expect(rest).toEqual(message.properties)
        expect([messageExpiryInterval ?? -1, topicAlias ?? 0]).toEqual([form.messageExpirySeconds, form.topicAlias])
      }),
    )
  })

  test("of a known alias leaves its topic out", () => {
    const message = outgoing({ topic: "site/long/topic", payload: Buffer.from("x"), properties: {} })
    const bytes = encodePublish(message, { version: 5, qos: 0, isRetained: false, topicAlias: 3, isTopicKnown: true })
    expect(bytes.toString("hex")).toBe("300700000323000378")
  })

  test("copies of a template are what would have been written one by one, with and without their payload", () => {
    const copies = fc.array(
      fc.record({ packetId: identifier, isDuplicate: fc.boolean(), messageExpirySeconds: fc.nat(9_999) }),
      {
        maxLength: 5,
      },
    )
    fc.assert(
      fc.property(messages, forms, copies, (message, { packetId: _own, ...form }, list) => {
        const asked = { ...form, qos: form.qos === 0 ? (1 as const) : form.qos }
        const template = createPublishTemplate(outgoing(message), asked)
        const whole = new Gathered()
        const heads = new Gathered()
        const parts: Buffer[] = []
        const expected = list.map((copy) => {
          writeCopy(whole, template, copy)
          writeCopyHead(heads, template, copy)
          parts.push(heads.take(), template.bytes.subarray(template.headBytes))
          const expiry = form.messageExpirySeconds! < 0 ? -1 : copy.messageExpirySeconds
          return encodePublish(outgoing(message), { ...asked, ...copy, messageExpirySeconds: expiry })
        })
        expect(whole.take()).toEqual(Buffer.concat(expected))
        expect(Buffer.concat(parts)).toEqual(Buffer.concat(expected))
      }),
    )
  })
})

test.each([4, 5, 6, 7] as const)("acknowledgements of type %i", (type: AcknowledgementType) => {
  const bytes = Buffer.alloc(20)
  const cmd = ["puback", "pubrec", "pubrel", "pubcomp"][type - 4]
  for (const [code, version, length] of [
    [0, 4, 4],
    [0, 5, 4],
    [reason.packetIdentifierNotFound, 5, 5],
    [reason.quotaExceeded, 4, 4],
  ] as const) {
    const end = writeAcknowledgement(bytes, 7, type, 0xabcd, code, version)
    expect(end - 7).toBe(length)
    expect(length).toBeLessThanOrEqual(maxAcknowledgementBytes)
    if (code === reason.packetIdentifierNotFound && type < 6) continue
    const read = readByOther(bytes.subarray(7, end), version)
    expect([read.cmd, read.messageId, read["reasonCode"] ?? 0]).toEqual([cmd, 0xabcd, version === 4 ? 0 : code])
  }
})

describe("answers", () => {
  const four: AnswerForm = { version: 4 }
  const five: AnswerForm = { version: 5 }
  const written = (write: (output: Output) => unknown): Buffer => {
    const output = new Gathered()
    write(output)
    return output.take()
  }

  test("CONNACK in both versions", () => {
    const properties: Properties = {
      ...{ sessionExpiryInterval: 1, assignedClientIdentifier: "id", serverKeepAlive: 2, receiveMaximum: 3 },
      ...{ topicAliasMaximum: 4, maximumQos: 1, retainAvailable: 1, maximumPacketSize: 5, reasonString: "why" },
      ...{ userProperties: [["k", "v"]], wildcardSubscriptionAvailable: 0, sharedSubscriptionAvailable: 1 },
    }
    const ack = { reason: 0, isSessionPresent: true, properties }
    expect(
      readByOther(
        written((output) => writeConnack(output, ack, five)),
        5,
      ),
    ).toMatchObject({
      ...{ cmd: "connack", reasonCode: 0, sessionPresent: true },
      properties: {
        ...{ sessionExpiryInterval: 1, assignedClientIdentifier: "id", serverKeepAlive: 2, receiveMaximum: 3 },
        ...{ topicAliasMaximum: 4, maximumQoS: 1, retainAvailable: true, maximumPacketSize: 5, reasonString: "why" },
        ...{ userProperties: { k: "v" }, wildcardSubscriptionAvailable: false, sharedSubscriptionAvailable: true },
      },
    })
    expect(written((output) => writeConnack(output, ack, four)).toString("hex")).toBe("20020100")
    const refusal = { reason: reason.notAuthorized, isSessionPresent: true }
    expect(written((output) => writeConnack(output, refusal, four)).toString("hex")).toBe("20020005")
    expect(written((output) => writeConnack(output, refusal, five)).toString("hex")).toBe("2003008700")
  })

  test("3.1.1 has a return code for every reason", () => {
    const codes = Object.values(reason).filter((code) => code >= 0x80)
    for (const code of codes) expect([1, 2, 3, 4, 5]).toContain(connackReturnCode(code))
    expect(connackReturnCode(reason.success)).toBe(0)
    expect(connackReturnCode(reason.serverShuttingDown)).toBe(3)
  })

  test("SUBACK and UNSUBACK in both versions", () => {
    const suback = { packetId: 300, reasons: [0, 2, reason.quotaExceeded] }
    expect(written((output) => writeSuback(output, suback, four)).toString("hex")).toBe("9005012c000280")
    expect(
      readByOther(
        written((output) => writeSuback(output, suback, five)),
        5,
      ),
    ).toMatchObject({
      ...{ cmd: "suback", messageId: 300, granted: [0, 2, 0x97] },
    })
    const unsuback = { packetId: 7, reasons: [0, 0x11], properties: { reasonString: "gone" } }
    expect(written((output) => writeUnsuback(output, unsuback, four)).toString("hex")).toBe("b0020007")
    expect(
      readByOther(
        written((output) => writeUnsuback(output, unsuback, five)),
        5,
      ),
    ).toMatchObject({
      ...{ cmd: "unsuback", messageId: 7, granted: [0, 0x11], properties: { reasonString: "gone" } },
    })
  })

  test("PINGRESP, DISCONNECT and AUTH", () => {
    expect(written(writePingresp).toString("hex")).toBe("d000")
    const ending = { reason: reason.serverMoved, properties: { serverReference: "other" } }
    expect(written((output) => writeDisconnect(output, ending, four))).toHaveLength(0)
    expect(
      readByOther(
        written((output) => writeDisconnect(output, ending, five)),
        5,
      ),
    ).toMatchObject({
      ...{ cmd: "disconnect", reasonCode: 0x9d, properties: { serverReference: "other" } },
    })
    const auth = { reason: 0x18, properties: { authenticationMethod: "m", authenticationData: Buffer.from("d") } }
    expect(
      readByOther(
        written((output) => writeAuth(output, auth, five)),
        5,
      ),
    ).toMatchObject({ cmd: "auth", reasonCode: 0x18 })
  })

  test("what a client cannot take is left out: user properties, then the reason string, then the packet", () => {
    const properties: Properties = { reasonString: "reason", userProperties: [["key", "value"]] }
    const read = (maximumPacketBytes: number): unknown => {
      const output = new Gathered()
      const isWritten = writeDisconnect(output, { reason: 0x97, properties }, { version: 5, maximumPacketBytes })
      expect(isWritten).toBe(output.at > 0)
      expect(output.at).toBeLessThanOrEqual(maximumPacketBytes)
      return isWritten ? (readByOther(output.take(), 5)["properties"] ?? {}) : undefined
    }
    expect(read(26)).toEqual({ reasonString: "reason", userProperties: { key: "value" } })
    expect(read(25)).toEqual({ reasonString: "reason" })
    expect(read(12)).toEqual({})
    expect(read(3)).toBe(undefined)
  })

  test("who wants no problem information gets none in a SUBACK, and yet in a DISCONNECT", () => {
    const form: AnswerForm = { version: 5, wantsProblemInformation: false }
    const properties: Properties = { reasonString: "why" }
    const suback = written((output) => writeSuback(output, { packetId: 1, reasons: [0x87], properties }, form))
    expect(suback.toString("hex")).toBe("900400010087")
    const ending = written((output) => writeDisconnect(output, { reason: 0x87, properties }, form))
    expect(readByOther(ending, 5)["properties"]).toEqual(properties)
  })
})

test("properties are decoded as they were encoded, for every packet", () => {
  const all: readonly (readonly [number, Properties])[] = [
    [
      0,
      {
        willDelayInterval: 1,
        messageExpiryInterval: 2,
        contentType: "c",
        responseTopic: "r",
        correlationData: Buffer.of(1),
      },
    ],
    [1, { sessionExpiryInterval: 1, authenticationMethod: "m", authenticationData: Buffer.of(2), receiveMaximum: 1 }],
    [
      1,
      {
        requestProblemInformation: 0,
        requestResponseInformation: 1,
        topicAliasMaximum: 2,
        maximumPacketSize: 2 ** 32 - 1,
      },
    ],
    [2, { responseInformation: "i", serverReference: "s", subscriptionIdentifierAvailable: 1, maximumQos: 0 }],
    [3, { topicAlias: 65_535, payloadFormatIndicator: 1, subscriptionIdentifier: 268_435_455 }],
    [
      8,
      {
        userProperties: [
          ["a", "1"],
          ["b", "2"],
          ["a", "1"],
        ],
      },
    ],
  ]
  for (const [type, properties] of all) {
    const bytes = encodeProperties(properties)
    expect(decodeProperties(bytes, { start: 0, end: bytes.length, type })).toEqual(properties)
  }
})
