/** Control packet types and the flags that their first byte must carry. (2.1.2, 2.1.3) */
export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const

/** The four packets that acknowledge something; they have one form. */
export type AcknowledgementType =
  | typeof packetType.puback
  | typeof packetType.pubrec
  | typeof packetType.pubrel
  | typeof packetType.pubcomp

/** 3.1 and 3.1.1 are both spoken as 4. */
export type ProtocolVersion = 4 | 5

export type Qos = 0 | 1 | 2

/** Low four bits of the first byte, by type. PUBLISH has flags of its own. [MQTT-2.2.2-1, MQTT-2.1.3-1] */
export const fixedFlags: readonly number[] = [0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0]

/** Largest value of a variable byte integer, and so of a remaining length. */
export const maxVariableInteger = 268_435_455
/** Largest packet that the protocol knows: header and remaining length. */
export const maxProtocolPacketBytes = maxVariableInteger + 5
