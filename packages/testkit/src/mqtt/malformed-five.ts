/** Packets that only 5.0 has, or refuses: properties and reason codes. */
import { byte, four, frame, sized, two, varint } from "./bytes.ts"
import { illFormed, rawProperties } from "./endings.ts"
import { type Malformed, malformed } from "./malformed-both.ts"
import { encodeSubscribe } from "./packets.ts"
import { encodeProperty as property } from "./properties.ts"

/** Behind properties of a PUBLISH to "a". */
const publishWith = (...parts: readonly Uint8Array[]): Buffer => frame(0x30, sized("a"), rawProperties(...parts))

export const malformedFive: readonly Malformed[] = [
  {
    clauses: "4.13.1-1",
    what: "AUTH without an authentication",
    bytes: () => frame(0xf0),
    codes: [...malformed, 0x8c],
  },
  { clauses: "3.15.1-1", what: "packet type 15 with flags", bytes: () => frame(0xf1), codes: malformed },
  {
    clauses: "3.3.4-6",
    what: "PUBLISH with a subscription identifier",
    bytes: () => publishWith(property("subscriptionIds", 1)),
    codes: malformed,
  },
  {
    clauses: "2.2.2-1",
    what: "PUBLISH without properties length",
    bytes: () => frame(0x30, sized("a")),
    codes: malformed,
  },
  {
    clauses: "3.3.2-4",
    what: "PUBLISH with payload format 2",
    bytes: () => publishWith(property("payloadFormat", 2)),
    codes: [...malformed, 0x99],
  },
  ...(
    [
      ["payloadFormat", 1],
      ["messageExpiry", 9],
      ["contentType", "a"],
      ["responseTopic", "a"],
      ["correlation", Buffer.from("a")],
      ["topicAlias", 1],
    ] as const
  ).map(
    ([name, value]): Malformed => ({
      clauses: "4.13.1-1",
      what: `PUBLISH with ${name} twice`,
      bytes: () => publishWith(property(name, value), property(name, value)),
      codes: malformed,
    }),
  ),
  {
    clauses: "3.3.2-14",
    what: "PUBLISH with a wildcard in the response topic",
    bytes: () => publishWith(property("responseTopic", "a/#")),
    codes: [...malformed, 0x90],
  },
  {
    clauses: "3.3.2-13 1.5.4-1",
    what: "PUBLISH with a response topic that is not UTF-8",
    bytes: () => publishWith(byte(8), sized(illFormed[1]!)),
    codes: malformed,
  },
  {
    clauses: "3.3.2-19 1.5.4-1",
    what: "PUBLISH with a content type that is not UTF-8",
    bytes: () => publishWith(byte(3), sized(illFormed[0]!)),
    codes: malformed,
  },
  {
    clauses: "1.5.7-1",
    what: "PUBLISH with a user property that is not UTF-8",
    bytes: () => publishWith(byte(38), sized("a"), sized(illFormed[2]!)),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "PUBLISH with a property of CONNECT",
    bytes: () => publishWith(property("sessionExpiry", 1)),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "PUBLISH with an unknown property",
    bytes: () => publishWith(byte(0x60), byte(0)),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "PUBLISH with a property cut short",
    bytes: () => publishWith(byte(2), two(0)),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "PUBLISH with more properties than bytes",
    bytes: () => frame(0x30, sized("a"), varint(100), byte(1)),
    codes: malformed,
  },
  {
    clauses: "1.5.5-1",
    what: "a property length of five bytes",
    bytes: () => frame(0x30, sized("a"), Buffer.from([128, 128, 128, 128, 1]), Buffer.alloc(20)),
    codes: malformed,
  },
  {
    clauses: "3.3.2-8",
    what: "PUBLISH without topic and alias",
    bytes: () => frame(0x30, sized(""), byte(0)),
    codes: [...malformed, 0x90],
  },
  {
    clauses: "3.3.2-7",
    what: "PUBLISH with an alias that names nothing",
    bytes: () => frame(0x30, sized(""), rawProperties(property("topicAlias", 1))),
    codes: [...malformed, 0x94],
  },
  {
    clauses: "4.13.1-1",
    what: "SUBSCRIBE with identifier 0",
    bytes: () => encodeSubscribe(5, 1, [{ filter: "a" }], { subscriptionIds: [0] }),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "SUBSCRIBE with two identifiers",
    bytes: () => encodeSubscribe(5, 1, [{ filter: "a" }], { subscriptionIds: [1, 2] }),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "SUBSCRIBE with retain handling 3",
    bytes: () => encodeSubscribe(5, 1, [{ filter: "a", retainHandling: 3 }]),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "SUBSCRIBE with a property of PUBLISH",
    bytes: () => frame(0x82, two(1), rawProperties(property("topicAlias", 1)), sized("a"), byte(0)),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "PUBACK with a property of PUBLISH",
    bytes: () => frame(0x40, two(1), byte(0), rawProperties(property("topicAlias", 1))),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "PUBREC with a reason string twice",
    bytes: () =>
      frame(0x50, two(1), byte(0), rawProperties(property("reasonString", "a"), property("reasonString", "a"))),
    codes: malformed,
  },
  {
    clauses: "3.4.2-1",
    what: "PUBACK with an unknown reason",
    bytes: () => frame(0x40, two(1), byte(0x55)),
    codes: malformed,
  },
  {
    clauses: "3.5.2-1",
    what: "PUBREC with an unknown reason",
    bytes: () => frame(0x50, two(1), byte(0x55)),
    codes: malformed,
  },
  {
    clauses: "3.6.2-1",
    what: "PUBREL with an unknown reason",
    bytes: () => frame(0x62, two(1), byte(0x55)),
    codes: malformed,
  },
  {
    clauses: "3.7.2-1",
    what: "PUBCOMP with an unknown reason",
    bytes: () => frame(0x70, two(1), byte(0x55)),
    codes: malformed,
  },
  {
    clauses: "3.14.2-1",
    what: "DISCONNECT with an unknown reason",
    bytes: () => frame(0xe0, byte(0x55)),
    codes: malformed,
  },
  {
    clauses: "3.14.2-2",
    what: "DISCONNECT with a session expiry cut short",
    bytes: () => frame(0xe0, byte(0), rawProperties(byte(17), two(1))),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "DISCONNECT with a property of CONNACK",
    bytes: () => frame(0xe0, byte(0), rawProperties(property("assignedClientId", "a"))),
    codes: malformed,
  },
  {
    clauses: "4.13.1-1",
    what: "DISCONNECT with a session expiry twice",
    bytes: () => frame(0xe0, byte(0), rawProperties(byte(17), four(1), byte(17), four(1))),
    codes: malformed,
  },
]
