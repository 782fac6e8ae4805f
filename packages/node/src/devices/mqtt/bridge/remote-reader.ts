/**
 * Bytes of a remote broker become packets. The counterpart of wire/packet-reader.ts, for what servers send.
 *
 * - R1 A packet is judged by its header before room is made for it.
 * - R2 After the first fault, or `stop`, nothing more is read.
 */
import { ByteCursor } from "../wire/byte-cursor.ts"
import { type AcknowledgementType, type ProtocolVersion, packetType } from "../wire/packet-type.ts"
import { type Properties, readProperties } from "../wire/properties.ts"
import { type PublishFrame, PublishParser } from "../wire/publish-frame.ts"
import { reason } from "../wire/reason.ts"

export interface Connack {
  /** In the words of 5.0. */
  readonly reason: number
  readonly isSessionPresent: boolean
  readonly properties: Properties
}

export interface RemoteSink {
  connack(packet: Connack): void
  /** The frame and its bytes are valid until this returns. */
  publish(frame: PublishFrame): void
  acknowledged(type: AcknowledgementType, packetId: number, code: number): void
  subscribed(packetId: number, codes: readonly number[]): void
  /** 5.0: the broker ends the connection. */
  dismissed(code: number, properties: Properties): void
  /** The last call. */
  broken(why: string): void
}

export interface RemoteReaderOptions {
  readonly version: ProtocolVersion
  readonly maxPacketBytes: number
  readonly sink: RemoteSink
}

/** What CONNACK of 3.1.1 says, in the words of 5.0. (table 3.1) */
const returnCodes: readonly number[] = [
  reason.success,
  reason.unsupportedProtocolVersion,
  reason.clientIdentifierNotValid,
  reason.serverUnavailable,
  reason.badUserNameOrPassword,
  reason.notAuthorized,
]

export class RemoteReader {
  readonly #options: RemoteReaderOptions
  readonly #publishes = new PublishParser()
  readonly #cursor = new ByteCursor()
  #chunks: Buffer[] = []
  #bytes = 0
  /** Bytes that must be there before it is worth looking again. */
  #needed = 2
  #isStopped = false

  constructor(options: RemoteReaderOptions) {
    this.#options = options
  }

  push(chunk: Buffer): void {
    if (this.#isStopped) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#needed) return
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    this.#chunks = []
    let at = 0
    while (!this.#isStopped) {
      const size = this.#packet(bytes, at)
      if (size === 0) break
      at += size
    }
    this.#bytes = this.#isStopped ? 0 : bytes.length - at
    if (this.#bytes > 0) this.#chunks.push(bytes.subarray(at))
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Gives out the packet that begins here; returns its size, or 0 when it is not whole. */
  #packet(bytes: Buffer, at: number): number {
    const { maxPacketBytes } = this.#options
    let length = 0
    for (let index = 1; index <= 4; index++) {
      const byte = bytes[at + index]
      if (byte === undefined) {
        this.#needed = index + 1
        return 0
      }
      length |= (byte & 0x7f) << ((index - 1) * 7)
      if (byte >= 0x80) continue
      const size = 1 + index + length
      // R1
      if (size > maxPacketBytes) return this.#break(`The remote broker sent a packet of ${size} bytes`)
      if (at + size > bytes.length) {
        this.#needed = size
        return 0
      }
      this.#needed = 2
      this.#read(bytes, at, at + 1 + index, at + size)
      return size
    }
    return this.#break("The remote broker sent a malformed length")
  }

  #read(bytes: Buffer, at: number, body: number, end: number): void {
    const { sink, version } = this.#options
    const first = bytes[at]!
    const type = first >> 4
    const cursor = this.#cursor
    cursor.begin(bytes, body, end)
    if (type === packetType.publish) {
      const refusal = this.#publishes.parse(version, first, bytes, body, end)
      if (refusal === undefined) sink.publish(this.#publishes.frame)
      else this.#break(`The remote broker sent a malformed PUBLISH: ${refusal.why}`)
      return
    }
    if (type >= packetType.puback && type <= packetType.pubcomp) {
      const packetId = cursor.twoBytes()
      const code = cursor.isAtEnd ? reason.success : cursor.byte()
      if (this.#isGood()) sink.acknowledged(type as AcknowledgementType, packetId, code)
    } else if (type === packetType.suback) {
      const packetId = cursor.twoBytes()
      if (version === 5) readProperties(cursor, type)
      const codes = [...bytes.subarray(cursor.at, end)]
      if (this.#isGood()) sink.subscribed(packetId, codes)
    } else if (type === packetType.connack) this.#connack(end - body)
    else if (type === packetType.disconnect && version === 5) {
      const code = cursor.isAtEnd ? reason.success : cursor.byte()
      const properties = cursor.isAtEnd ? {} : readProperties(cursor, type)
      if (this.#isGood()) sink.dismissed(code, properties)
    } else if (type !== packetType.pingresp && type !== packetType.unsuback)
      this.#break(`The remote broker sent a packet of type ${type}, which is for servers`)
  }

  #connack(bytes: number): void {
    const cursor = this.#cursor
    const flags = cursor.byte()
    const code = cursor.byte()
    // A broker that knows no 5.0 refuses it in the form of 3.1.1.
    const isOld = this.#options.version === 4 || bytes === 2
    const properties = isOld ? {} : readProperties(cursor, packetType.connack)
    if (!this.#isGood()) return
    this.#options.sink.connack({
      reason: isOld ? (returnCodes[code] ?? reason.unspecifiedError) : code,
      isSessionPresent: (flags & 1) !== 0,
      properties,
    })
  }

  #isGood(): boolean {
    const { refusal } = this.#cursor
    if (refusal !== undefined) this.#break(`The remote broker sent a malformed packet: ${refusal.why}`)
    return refusal === undefined
  }

  /** R2 */
  #break(why: string): 0 {
    if (this.#isStopped) return 0
    this.stop()
    this.#options.sink.broken(why)
    return 0
  }
}
