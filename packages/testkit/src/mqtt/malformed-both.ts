/** Packets that both versions refuse. */
import { byte, frame, sized, two } from "./bytes.ts"
import { illFormed } from "./endings.ts"
import { encodePublish, type Version } from "./packets.ts"

export interface Malformed {
  readonly clauses: string | readonly [v4: string, v5: string]
  readonly what: string
  readonly bytes: (version: Version) => Uint8Array | readonly Uint8Array[]
  /** Reasons of 5.0; any failure when absent. */
  readonly codes?: readonly number[]
}

const none = Buffer.alloc(0)
/** Empty properties where the version has some. */
const empty = (version: Version): Buffer => (version === 5 ? byte(0) : none)
/** Malformed packet, or protocol error: the border between them is soft. */
export const malformed = [0x81, 0x82]

const flagged = (first: number, what: string, clause: string, body: (version: Version) => Uint8Array): Malformed => ({
  clauses: [`2.2.2-2 ${clause}`, `2.1.3-1 ${clause}`],
  what: `${what} with reserved bits`,
  bytes: (version) => frame(first, body(version)),
  codes: malformed,
})

const filters = (version: Version, id: number, filter: string | Uint8Array, options = 0): Buffer =>
  frame(0x82, two(id), empty(version), sized(filter), byte(options))

export const malformedBoth: readonly Malformed[] = [
  ...[0x83, 0x80, 0x8a].map((first) =>
    flagged(first, `SUBSCRIBE 0x${first.toString(16)}`, "3.8.1-1", (v) =>
      Buffer.concat([two(1), empty(v), sized("a"), byte(0)]),
    ),
  ),
  flagged(0xa0, "UNSUBSCRIBE", "3.10.1-1", (v) => Buffer.concat([two(1), empty(v), sized("a")])),
  flagged(0x60, "PUBREL", "3.6.1-1", () => two(1)),
  flagged(0x41, "PUBACK", "", () => two(1)),
  flagged(0x52, "PUBREC", "", () => two(1)),
  flagged(0x74, "PUBCOMP", "", () => two(1)),
  flagged(0xc1, "PINGREQ", "", () => none),
  { clauses: "3.3.1-4", what: "PUBLISH of QoS 3", bytes: () => frame(0x36, sized("a"), two(1)), codes: malformed },
  {
    clauses: "3.3.1-4",
    what: "PUBLISH of QoS 3 with a whole body",
    bytes: (v) => frame(0x36, sized("a"), two(1), empty(v), Buffer.from("x")),
    codes: malformed,
  },
  {
    clauses: "3.3.1-2",
    what: "PUBLISH of QoS 0 with DUP",
    bytes: (v) => frame(0x38, sized("a"), empty(v)),
    codes: malformed,
  },
  ...["a/#", "#", "+", "a/+/b", "a+b", "a#"].map(
    (topic): Malformed => ({
      clauses: ["3.3.2-2 4.7.1-1", "3.3.2-2 4.7.0-1"],
      what: `PUBLISH to ${topic}`,
      bytes: (version) => encodePublish(version, { topic }),
      codes: [...malformed, 0x90],
    }),
  ),
  ...illFormed.map(
    (topic): Malformed => ({
      clauses: ["1.5.3-1 1.5.3-2 3.3.2-1 4.7.3-2", "1.5.4-1 1.5.4-2 3.3.2-1 4.7.3-2"],
      what: `PUBLISH to a topic of the bytes ${topic.toString("hex")}`,
      bytes: (v) => frame(0x30, sized(topic), empty(v)),
      codes: [...malformed, 0x90],
    }),
  ),
  ...illFormed.map(
    (filter): Malformed => ({
      clauses: ["1.5.3-1 1.5.3-2 3.8.3-1 4.7.3-2", "1.5.4-1 1.5.4-2 3.8.3-1 4.7.3-2"],
      what: `SUBSCRIBE to a filter of the bytes ${filter.toString("hex")}`,
      bytes: (v) => filters(v, 1, filter),
      codes: [...malformed, 0x8f],
    }),
  ),
  {
    clauses: ["1.5.3-1 3.10.3-1", "1.5.4-1 3.10.3-1"],
    what: "UNSUBSCRIBE from a filter that is not UTF-8",
    bytes: (v) => frame(0xa2, two(1), empty(v), sized(illFormed[1]!)),
    codes: [...malformed, 0x8f],
  },
  {
    clauses: "4.7.3-1",
    what: "PUBLISH to an empty topic",
    bytes: (v) => frame(0x30, sized(""), empty(v)),
    codes: [...malformed, 0x90],
  },
  {
    clauses: ["2.3.1-1", "2.2.1-3"],
    what: "PUBLISH of QoS 1 with packet id 0",
    bytes: (version) => encodePublish(version, { topic: "a", qos: 1, id: 0 }),
    codes: malformed,
  },
  {
    clauses: ["2.3.1-1", "2.2.1-3"],
    what: "PUBLISH of QoS 2 with packet id 0",
    bytes: (version) => encodePublish(version, { topic: "a", qos: 2, id: 0 }),
    codes: malformed,
  },
  {
    clauses: ["2.3.1-1", "2.2.1-3"],
    what: "SUBSCRIBE with packet id 0",
    bytes: (v) => filters(v, 0, "a"),
    codes: malformed,
  },
  {
    clauses: ["2.3.1-1", "2.2.1-3"],
    what: "UNSUBSCRIBE with packet id 0",
    bytes: (v) => frame(0xa2, two(0), empty(v), sized("a")),
    codes: malformed,
  },
  {
    clauses: ["3.8.3-3", "3.8.3-2"],
    what: "SUBSCRIBE without filters",
    bytes: (v) => frame(0x82, two(1), empty(v)),
    codes: malformed,
  },
  {
    clauses: "3.10.3-2",
    what: "UNSUBSCRIBE without filters",
    bytes: (v) => frame(0xa2, two(1), empty(v)),
    codes: malformed,
  },
  { clauses: "3.8.3-4", what: "SUBSCRIBE with QoS 3", bytes: (v) => filters(v, 1, "a", 3), codes: malformed },
  {
    clauses: ["3.8.3-4", "3.8.3-5"],
    what: "SUBSCRIBE with reserved option bits",
    bytes: (v) => filters(v, 1, "a", 0xc0),
    codes: malformed,
  },
  {
    clauses: "4.7.3-1",
    what: "SUBSCRIBE to an empty filter",
    bytes: (v) => filters(v, 1, ""),
    codes: [...malformed, 0x8f],
  },
  {
    clauses: "4.7.3-1",
    what: "UNSUBSCRIBE from an empty filter",
    bytes: (v) => frame(0xa2, two(1), empty(v), sized("")),
    codes: [...malformed, 0x8f],
  },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "SUBSCRIBE whose options are missing",
    bytes: (v) => frame(0x82, two(1), empty(v), sized("a")),
    codes: malformed,
  },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "PUBLISH whose topic is longer than the packet",
    bytes: () => frame(0x30, two(100), Buffer.from("a")),
    codes: malformed,
  },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "PUBLISH of QoS 1 that ends before its packet id",
    bytes: () => frame(0x32, sized("a"), byte(0)),
    codes: malformed,
  },
  { clauses: ["4.8.0-1", "4.13.1-1"], what: "an empty PUBLISH", bytes: () => frame(0x30), codes: malformed },
  { clauses: ["4.8.0-1", "4.13.1-1"], what: "PUBACK without a packet id", bytes: () => frame(0x40), codes: malformed },
  { clauses: ["4.8.0-1", "4.13.1-1"], what: "PUBREL of one byte", bytes: () => frame(0x62, byte(0)), codes: malformed },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "PINGREQ with a body",
    bytes: () => frame(0xc0, byte(0)),
    codes: malformed,
  },
  { clauses: ["4.8.0-1", "4.13.1-1"], what: "packet type 0", bytes: () => frame(0x00), codes: malformed },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "a CONNACK from a client",
    bytes: (v) => frame(0x20, two(0), empty(v)),
    codes: malformed,
  },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "a SUBACK from a client",
    bytes: (v) => frame(0x90, two(1), empty(v), byte(0)),
    codes: malformed,
  },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "an UNSUBACK from a client",
    bytes: (v) => frame(0xb0, two(1), empty(v)),
    codes: malformed,
  },
  { clauses: ["4.8.0-1", "4.13.1-1"], what: "a PINGRESP from a client", bytes: () => frame(0xd0), codes: malformed },
  {
    clauses: ["4.8.0-1", "4.13.1-1"],
    what: "a remaining length of five bytes",
    bytes: () => Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]),
    codes: [...malformed, 0x95],
  },
]
