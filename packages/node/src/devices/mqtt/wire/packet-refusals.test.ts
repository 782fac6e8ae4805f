import { describe, expect, test } from "vitest"
import type { Connect } from "./connect.ts"
import { PacketReader, type PacketSink } from "./packet-reader.ts"
import { forwardedProperties } from "./publish-frame.ts"
import { reason } from "./reason.ts"

type Told = readonly [what: string, ...unknown[]]

function open(limits: { maxConnectBytes?: number } = {}, told: Told[] = []): { reader: PacketReader; told: Told[] } {
  const tell =
    (what: string) =>
    (...facts: unknown[]): void => {
      told.push([what, ...facts])
    }
  const sink: PacketSink = {
    publish: (frame) => {
      const topic = frame.buffer.toString("utf8", frame.topicStart, frame.topicEnd)
      told.push(["publish", topic, forwardedProperties(frame).toString("hex")])
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
  return { reader: new PacketReader({ maxPacketBytes: 1_000_000, ...limits, sink }), told }
}

const hex = (text: string): Buffer => Buffer.from(text.replace(/[^0-9a-f]/g, ""), "hex")
const text = (content: string): string =>
  Buffer.byteLength(content).toString(16).padStart(4, "0") + Buffer.from(content).toString("hex")
const connectBytes = {
  4: hex(`10 0d ${text("MQTT")} 04 02 003c ${text("c")}`),
  5: hex(`10 0e ${text("MQTT")} 05 02 003c 00 ${text("c")}`),
}

/** What comes after a CONNECT of this version. */
function readAfterConnect(version: 4 | 5, bytes: Buffer): Told[] {
  const { reader, told } = open()
  reader.push(connectBytes[version])
  reader.push(bytes)
  return told.slice(1)
}

/** A packet: first byte, and what follows the length. */
function packet(first: number, ...body: readonly string[]): Buffer {
  const content = hex(body.join(""))
  return Buffer.concat([Buffer.of(first, content.length), content])
}

type Row = readonly [what: string, bytes: Buffer, code: number, version?: 4 | 5]

const refusedFilter = (what: string, bytes: Buffer): Row => [what, bytes, reason.malformedPacket]
const refusedWith = (code: number): readonly Told[] => [["broken", code]]

describe("what is refused before CONNECT is accepted", () => {
  const { malformedPacket, protocolError, unsupportedProtocolVersion, clientIdentifierNotValid, packetTooLarge } =
    reason
  const name = text("MQTT")
  const will = `${text("t")} ${text("w")}`
  test.each([
    ["another packet", "c000", protocolError],
    ["a reserved type", "0000", malformedPacket],
    ["flags", `110d${name}0402003c${text("c")}`, malformedPacket],
    ["another protocol", packet(0x10, text("HTTP"), "04020000", text("c")), unsupportedProtocolVersion],
    ["a name of the prototype", packet(0x10, text("constructor"), "04020000", text("c")), unsupportedProtocolVersion],
    ["an old level", packet(0x10, name, "03020000", text("c")), unsupportedProtocolVersion],
    ["a level of the future", packet(0x10, name, "0602000000", text("c")), unsupportedProtocolVersion],
    ["the level of a bridge", packet(0x10, name, "84020000", text("c")), unsupportedProtocolVersion],
    [
      "the old name with the new level",
      packet(0x10, text("MQIsdp"), "04020000", text("c")),
      unsupportedProtocolVersion,
    ],
    ["the reserved flag", packet(0x10, name, "04030000", text("c")), malformedPacket],
    ["a will's QoS without a will", packet(0x10, name, "040a0000", text("c")), malformedPacket],
    ["a will's retain without a will", packet(0x10, name, "04220000", text("c")), malformedPacket],
    ["a will with QoS 3", packet(0x10, name, "041e0000", text("c"), will), malformedPacket],
    ["a will to a wildcard", packet(0x10, name, "04060000", text("c"), text("a/#"), text("w")), malformedPacket],
    ["a will to nothing", packet(0x10, name, "04060000", text("c"), text(""), text("w")), malformedPacket],
    ["a password without a name, in 3.1.1", packet(0x10, name, "04420000", text("c"), text("p")), malformedPacket],
    ["no client identifier and no clean session", packet(0x10, name, "04000000", text("")), clientIdentifierNotValid],
    ["no client identifier in 3.1", packet(0x10, text("MQIsdp"), "03020000", text("")), clientIdentifierNotValid],
    ["a surrogate in the client identifier", packet(0x10, name, "04020000", "0003 eda080"), malformedPacket],
    ["an overlong sequence in it", packet(0x10, name, "04020000", "0002 c080"), malformedPacket],
    ["a cut sequence in it", packet(0x10, name, "04020000", "0001 c3"), malformedPacket],
    ["U+0000 in it", packet(0x10, name, "04020000", "0002 6100"), malformedPacket],
    ["a user name that is promised and missing", packet(0x10, name, "04820000", text("c")), malformedPacket],
    ["bytes behind the last field", packet(0x10, name, "04020000", text("c"), "00"), malformedPacket],
    ["the body of an empty packet", packet(0x10), malformedPacket],
    ["an unknown property", packet(0x10, name, "05020000", "020400", text("c")), malformedPacket],
    ["a property of another packet", packet(0x10, name, "05020000", "03230001", text("c")), malformedPacket],
    ["properties beyond the packet", packet(0x10, name, "05020000", "7f"), malformedPacket],
    ["a property that is cut", packet(0x10, name, "05020000", "021100", text("c")), malformedPacket],
    ["a property that stands twice", packet(0x10, name, "05020000", "0622 0001 22 0001", text("c")), protocolError],
    ["receive maximum 0", packet(0x10, name, "05020000", "03210000", text("c")), protocolError],
    ["maximum packet size 0", packet(0x10, name, "05020000", "052700000000", text("c")), protocolError],
    ["a boolean of 2", packet(0x10, name, "05020000", "021702", text("c")), protocolError],
    ["authentication data without a method", packet(0x10, name, "05020000", "0416000161", text("c")), protocolError],
    ["a will's property among the others", packet(0x10, name, "05020000", "051800000001", text("c")), malformedPacket],
    ["a will's alias", packet(0x10, name, "05060000", "00", text("c"), "03230001", will), malformedPacket],
    [
      "a will's response to a wildcard",
      packet(0x10, name, "05060000", "00", text("c"), `0408${text("+")}`, will),
      malformedPacket,
    ],
    ["a length of five bytes", "10ffffffff01", malformedPacket],
    ["a length longer than it needs", "108d00", malformedPacket],
    ["a length above the limit", "10ffffff7f", packetTooLarge],
  ])("%s", (_what, bytes, code) => {
    const { reader, told } = open()
    reader.push(typeof bytes === "string" ? hex(bytes) : bytes)
    expect(told).toEqual(refusedWith(code))
  })

  test("the version in which to answer is known", () => {
    const { reader } = open()
    reader.push(packet(0x10, name, "05030000", "00", text("c")))
    expect(reader.version).toBe(5)
  })

  test("a CONNECT may have a limit of its own", () => {
    const { reader, told } = open({ maxConnectBytes: 14 })
    reader.push(connectBytes[4])
    expect(told).toEqual(refusedWith(packetTooLarge))
  })
})

describe("what is refused afterwards", () => {
  const { malformedPacket, protocolError, topicAliasInvalid, packetTooLarge } = reason
  const t = text("t")
  const rows: readonly Row[] = [
    ["a second CONNECT", connectBytes[4], protocolError],
    ["type 0", packet(0x00), malformedPacket],
    ["type 15 in 3.1.1", packet(0xf0), malformedPacket],
    ["CONNACK", packet(0x20, "0000"), protocolError],
    ["PINGRESP", packet(0xd0), protocolError],
    ["a PINGREQ with a body", packet(0xc0, "00"), malformedPacket],
    ["a PINGREQ with flags", packet(0xc1), malformedPacket],
    ["a PUBREL without its flags", packet(0x60, "0001"), malformedPacket],
    ["a SUBSCRIBE without its flags", packet(0x80, "0001", t, "00"), malformedPacket],
    ["a packet above the limit", hex("30ffffff7f"), packetTooLarge],
    ["PUBLISH with QoS 3", packet(0x36, t, "0001"), malformedPacket],
    ["a duplicate with QoS 0", packet(0x38, t), malformedPacket],
    ["an empty PUBLISH", packet(0x30), malformedPacket],
    ["a topic beyond its packet", packet(0x30, "0005 6162"), malformedPacket],
    ["a PUBLISH without its identifier", packet(0x32, t, "00"), malformedPacket],
    ["the identifier 0", packet(0x32, t, "0000"), malformedPacket],
    ["a wildcard in a topic", packet(0x30, text("a/+")), malformedPacket],
    ["U+0000 in a topic", packet(0x30, "0003 610062"), malformedPacket],
    ["ill-formed UTF-8 in a topic", packet(0x30, "0003 61ff62"), malformedPacket],
    ...["80", "c1bf", "c3", "e08080", "e282", "edbfbf", "f0808080", "f48fbf", "f4908080", "f5808080", "e228a1"].map(
      (topic): Row => [`the topic ${topic}`, packet(0x30, `000${topic.length / 2}`, topic), malformedPacket],
    ),
    ["an empty topic in 3.1.1", packet(0x30, "0000"), malformedPacket],
    ["an empty topic without an alias", packet(0x30, "0000 00"), protocolError, 5],
    ["a PUBLISH without properties", packet(0x30, t), malformedPacket, 5],
    ["alias 0", packet(0x30, t, "03 230000"), topicAliasInvalid, 5],
    ["an alias that stands twice", packet(0x30, t, "06 230001 230001"), protocolError, 5],
    ["a payload format of 2", packet(0x30, t, "02 0102"), protocolError, 5],
    ["a client's subscription identifier", packet(0x30, t, "02 0b01"), protocolError, 5],
    ["a response topic with a wildcard", packet(0x30, t, `04 08 ${text("#")}`), malformedPacket, 5],
    ["properties beyond the packet", packet(0x30, t, "05 0101"), malformedPacket, 5],
    ["a property beyond the properties", packet(0x30, t, "02 0300 0161"), malformedPacket, 5],
    ["a text beyond the properties", packet(0x30, t, "04 030005 61 6161616161"), malformedPacket, 5],
    ["a reason string in PUBLISH", packet(0x30, t, `04 1f ${text("x")}`), malformedPacket, 5],
    ["a property whose identifier is long", packet(0x30, t, "03 810001"), malformedPacket, 5],
    ["a length of properties longer than it needs", packet(0x30, t, "8000"), malformedPacket, 5],
    ["a PUBACK that is cut", packet(0x40, "00"), malformedPacket],
    ["a PUBACK with a reason in 3.1.1", packet(0x40, "000100"), malformedPacket],
    ["a PUBACK of identifier 0", packet(0x40, "0000"), malformedPacket],
    ["a PUBACK with a reason of PUBREL", packet(0x40, "000192"), protocolError, 5],
    ["a PUBREL with a reason of PUBACK", packet(0x62, "000110"), protocolError, 5],
    ["a PUBCOMP with bytes behind its properties", packet(0x70, "00010000ff"), malformedPacket, 5],
    ["a PUBREC with a property of another packet", packet(0x50, "0001000111"), malformedPacket, 5],
    ["SUBSCRIBE without a filter", packet(0x82, "0001"), protocolError],
    ["SUBSCRIBE without options", packet(0x82, "0001", t), malformedPacket],
    ["SUBSCRIBE with identifier 0", packet(0x82, "0000", t, "00"), malformedPacket],
    ["SUBSCRIBE with QoS 3", packet(0x82, "0001", t, "03"), malformedPacket],
    ["options of 5.0 in 3.1.1", packet(0x82, "0001", t, "04"), malformedPacket],
    ["reserved options", packet(0x82, "0001 00", t, "40"), malformedPacket, 5],
    ["retain handling 3", packet(0x82, "0001 00", t, "30"), protocolError, 5],
    ["subscription identifier 0", packet(0x82, "0001 02 0b00", t, "00"), protocolError, 5],
    ["a shared subscription with no-local", packet(0x82, "0001 00", text("$share/g/t"), "04"), protocolError, 5],
    ...["a#", "a/#/b", "a+", "", "$share/g", "$share//t", "$share/+/t", "$share/g/", "$share/g/a#"].flatMap(
      (filter) => [
        refusedFilter(`the filter ${filter}`, packet(0x82, "0001", text(filter), "00")),
        refusedFilter(`no more of the filter ${filter}`, packet(0xa2, "0001", text(filter))),
      ],
    ),
    ["ill-formed UTF-8 in a filter", packet(0x82, "0001", "0002 61e2", "00"), malformedPacket],
    ["UNSUBSCRIBE without a filter", packet(0xa2, "0001 00"), protocolError, 5],
    ["a DISCONNECT with a body in 3.1.1", packet(0xe0, "00"), malformedPacket],
    ["a DISCONNECT with a server's reason", packet(0xe0, "8b"), protocolError, 5],
    ["a DISCONNECT with a server's reference", packet(0xe0, `00 04 1c ${text("x")}`), protocolError, 5],
    ["an AUTH of success", packet(0xf0, `00 04 15 ${text("x")}`), protocolError, 5],
    ["an AUTH without a method", packet(0xf0, "1800"), protocolError, 5],
  ]
  for (const [what, bytes, code, version = 4] of rows) {
    test(what, () => {
      // What follows is not read any more, and completes nothing, whatever it is.
      for (const tail of [packet(0xc0), Buffer.alloc(40), Buffer.alloc(40, "a"), Buffer.alloc(40, 1)]) {
        expect(readAfterConnect(version, Buffer.concat([bytes, tail]))).toEqual(refusedWith(code))
      }
    })
  }
})

describe("packets that must be taken", () => {
  test("MQTT 3.1 is spoken as 3.1.1", () => {
    const { reader, told } = open()
    reader.push(packet(0x10, text("MQIsdp"), "03020000", text("old")))
    const connect = told[0]![1] as Connect
    expect([reader.version, connect.version, connect.level, connect.clientId]).toEqual([4, 4, 3, "old"])
  })

  test("a silent CONNECT has the protocol's defaults", () => {
    const { reader, told } = open()
    reader.push(packet(0x10, text("MQTT"), "0500003c 00", text("")))
    expect(told[0]![1]).toEqual({
      ...{ version: 5, level: 5, clientId: "", isCleanStart: false, keepAliveSeconds: 60, userName: undefined },
      ...{ password: undefined, will: undefined, sessionExpirySeconds: 0, receiveMaximum: 65_535 },
      ...{ maximumPacketBytes: 268_435_460, topicAliasMaximum: 0, wantsResponseInformation: false },
      ...{ wantsProblemInformation: true, authenticationMethod: undefined, authenticationData: undefined },
      userProperties: [],
    })
  })

  test("a session of 3.1.1 ends with its connection, or never", () => {
    const expiry = (flags: string): unknown => {
      const { reader, told } = open()
      reader.push(packet(0x10, text("MQTT"), `04${flags}0000`, text("c")))
      return (told[0]![1] as Connect).sessionExpirySeconds
    }
    expect([expiry("02"), expiry("00")]).toEqual([0, 0xffff_ffff])
  })

  test("what is forwarded is all but alias and expiry, in its order", () => {
    const alias = "230005"
    const expiry = "0200000007"
    const pair = (value: string): string => `26${text("k")}${text(value)}`
    for (const parts of [
      [alias, pair("1"), expiry, pair("2")],
      [expiry, alias, pair("1"), pair("2")],
      [pair("1"), pair("2"), alias, expiry],
      [pair("1"), pair("2")],
    ]) {
      const length = (parts.join("").length / 2).toString(16).padStart(2, "0")
      const told = readAfterConnect(5, packet(0x30, text("t"), length, ...parts, "ff"))
      expect(told).toEqual([["publish", "t", pair("1") + pair("2")]])
    }
  })

  test("nothing of a PUBLISH stays for the next one", () => {
    const first = packet(0x3b, text("t"), "0007", "0a 0101 0200000009 230001", "ff")
    const pair = `26${text("a")}${text("b")}`
    const contentType = `03${text("c")}`
    const told = readAfterConnect(5, Buffer.concat([first, packet(0x30, text("u"), "0b", pair, contentType)]))
    expect(told[1]).toEqual(["publish", "u", pair + contentType])
  })

  test("U+FEFF stays, and U+10FFFF and U+FFFF are good", () => {
    const topic = "\ufeffa/\u{10ffff}\uffff"
    expect(readAfterConnect(4, packet(0x30, text(topic)))[0]![1]).toBe(topic)
  })
})
