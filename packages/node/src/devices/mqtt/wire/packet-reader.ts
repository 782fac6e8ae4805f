/**
 * Bytes of a connection become packets.
 *
 * R1 A packet is judged by its header before room is made for it: a length that is announced costs nothing.
 * R2 Every byte is looked at a bounded number of times, however the stream is cut into chunks; a packet that lies
 *    whole in a chunk is read where it lies.
 * R3 A PUBLISH and its acknowledgements allocate nothing.
 * R4 After the first refusal, a DISCONNECT or `stop`, nothing more is read.
 * R5 Whatever the bytes are, nothing is thrown and nothing beyond the packet is read. What a sink throws stops the
 *    reader and goes to whoever pushed.
 */
import { ByteCursor } from "./byte-cursor.ts"
import { type Connect, parseConnect } from "./connect.ts"
import { type Auth, type Disconnect, parseAuth, parseDisconnect } from "./ending.ts"
import { type AcknowledgementType, fixedFlags, type ProtocolVersion, packetType } from "./packet-type.ts"
import { PropertyScan } from "./properties.ts"
import { type PublishFrame, PublishParser } from "./publish-frame.ts"
import { isPublishReason, isReleaseReason, malformed, protocolError, type Refusal, reason } from "./reason.ts"
import { parseSubscribe, parseUnsubscribe, type Subscribe, type Unsubscribe } from "./subscribe.ts"

/** Gets the packets in their order, while `push` or `resume` runs. */
export interface PacketSink {
  /** The frame and its bytes are valid until this returns. (F1) */
  publish(frame: PublishFrame): void
  acknowledged(type: AcknowledgementType, packetId: number, reason: number): void
  ping(): void
  connect(packet: Connect): void
  subscribe(packet: Subscribe): void
  unsubscribe(packet: Unsubscribe): void
  disconnect(packet: Disconnect): void
  auth(packet: Auth): void
  /**
   * The last call; then the connection is closed. First goes, in 5.0, a CONNACK before CONNECT was accepted and a
   * DISCONNECT afterwards; in 3.1.1 nothing, but a CONNACK for a version or a client identifier that is refused.
   */
  broken(reason: number, why: string): void
}

export interface PacketReaderOptions {
  /** Header and all; larger packets are refused. */
  readonly maxPacketBytes: number
  /** The same for CONNECT, which anybody may send. @default 16384, or maxPacketBytes when that is less */
  readonly maxConnectBytes?: number
  readonly sink: PacketSink
}

const defaultMaxConnectBytes = 16_384
/** Room for a packet that was cut is kept up to this size. */
const keptCarryBytes = 4_096
const firstCarryBytes = 256

const notConnected = protocolError("The first packet is not CONNECT")
const connectedTwice = protocolError("A second CONNECT came")
const serversPacket = protocolError("A client sent a packet that only servers send")
const badType = malformed("A packet has a reserved type")
const badFlags = malformed("A packet has wrong flags in its first byte")
const badLength = malformed("A remaining length has more than four bytes, or more than it needs")
const tooLarge: Refusal = { reason: reason.packetTooLarge, why: "A packet is larger than the limit" }
const cutAcknowledgement = malformed("An acknowledgement is shorter or longer than its fields")
const badId = malformed("An acknowledgement has the packet identifier 0")
const badReason = protocolError("An acknowledgement has a reason code that it may not have")
const badPing = malformed("A PINGREQ has a body")

const isServersPacket = [2, 9, 11, 13].reduce((bits, type) => bits | (1 << type), 0)
const nothing = Buffer.alloc(0)

/**
 * One for all connections: a packet is read without a pause, and a sink that lets another connection go on does so when
 * it is done with its own packet. Thousands of idle connections would each keep half a kilobyte otherwise.
 */
const publishes = new PublishParser()
const theCursor = new ByteCursor()
const theScan = new PropertyScan()

export class PacketReader {
  readonly #sink: PacketSink
  readonly #maxPacketBytes: number
  readonly #maxConnectBytes: number
  /** Packets that were given out. */
  count = 0
  #version: ProtocolVersion = 4
  #limit: number
  #isConnected = false
  #isStopped = false
  #isPaused = false
  #isReading = false
  /** Bytes of the header that `#sizeOf` measured last. */
  #headerBytes = 0
  /** The beginning of a packet that was cut. Its size is 0 while its header is not complete. */
  #carry: Buffer = nothing
  #carried = 0
  #carriedSize = 0
  /** Chunks that were not read to their end. */
  #waiting: Buffer[] = []

  constructor(options: PacketReaderOptions) {
    const { sink, maxPacketBytes, maxConnectBytes = defaultMaxConnectBytes } = options
    this.#sink = sink
    this.#maxPacketBytes = maxPacketBytes
    this.#maxConnectBytes = Math.min(maxConnectBytes, maxPacketBytes)
    this.#limit = this.#maxConnectBytes
  }

  /** Known when CONNECT is given to the sink, and when it is refused after its version was read; 4 before. */
  get version(): ProtocolVersion {
    return this.#version
  }

  /** The chunk belongs to the reader until all its packets were given out: at once, or by `resume`. */
  push(chunk: Buffer): void {
    if (this.#isStopped) return
    this.#waiting.push(chunk)
    this.#drain()
  }

  /** No further packet comes before `resume`. What is pushed meanwhile waits without a limit here. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#drain()
  }

  /** Drops everything that waits; the sink is not called any more. */
  stop(): void {
    this.#isStopped = true
    this.#carry = nothing
    this.#carried = 0
    this.#waiting = []
  }

  /** Reads what waits, unless a sink that is being called does so already. */
  #drain(): void {
    if (this.#isReading) return
    this.#isReading = true
    let isDone = false
    try {
      while (this.#waiting.length > 0 && !this.#isPaused) {
        const chunk = this.#waiting.shift()!
        const at = this.#packets(chunk)
        if (at < chunk.length && !this.#isStopped) this.#waiting.unshift(chunk.subarray(at))
      }
      isDone = true
    } finally {
      this.#isReading = false
      if (!isDone) this.stop()
    }
  }

  /** Gives out the packets of a chunk; returns how far it came. */
  #packets(chunk: Buffer): number {
    const end = chunk.length
    let at = this.#carried === 0 ? 0 : this.#complete(chunk)
    while (at < end && !this.#isPaused && !this.#isStopped) {
      const size = this.#sizeOf(chunk, at, end)
      if (size < 0) return end
      if (size === 0 || at + size > end) {
        this.#carriedSize = size
        this.#keep(chunk, at, end)
        return end
      }
      this.#packet(chunk, at, at + size)
      at += size
    }
    return at
  }

  /** The size of the packet that begins here; 0 when its header is not complete, -1 when it is refused. (R1) */
  #sizeOf(bytes: Buffer, at: number, end: number): number {
    const refusal = this.#judge(bytes[at]!)
    if (refusal !== undefined) return this.#refuse(refusal)
    let length = 0
    for (let index = 1, shift = 0; index <= 4; index++, shift += 7) {
      if (at + index >= end) return 0
      const byte = bytes[at + index]!
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        // [MQTT-1.5.5-1]
        if (byte === 0 && index > 1) break
        const size = 1 + index + length
        if (size > this.#limit) return this.#refuse(tooLarge)
        this.#headerBytes = 1 + index
        return size
      }
    }
    return this.#refuse(badLength)
  }

  #judge(first: number): Refusal | undefined {
    const type = first >> 4
    if (type === packetType.publish && this.#isConnected) return undefined
    if (type === 0 || (type === packetType.auth && this.#isConnected && this.#version === 4)) return badType
    // [MQTT-3.1.0-1, MQTT-3.1.0-2]
    if (!this.#isConnected && type !== packetType.connect) return notConnected
    if (this.#isConnected && type === packetType.connect) return connectedTwice
    if (((isServersPacket >> type) & 1) === 1) return serversPacket
    return (first & 15) === fixedFlags[type] ? undefined : badFlags
  }

  /** Adds to the packet that was cut, byte by byte until its size is known; gives it out when it is whole. */
  #complete(chunk: Buffer): number {
    let at = 0
    while (this.#carriedSize === 0) {
      if (at === chunk.length) return at
      this.#keep(chunk, at, at + 1)
      at++
      this.#carriedSize = this.#sizeOf(this.#carry, 0, this.#carried)
      if (this.#carriedSize < 0) return chunk.length
    }
    const size = this.#carriedSize
    const taken = Math.min(size - this.#carried, chunk.length - at)
    this.#keep(chunk, at, at + taken)
    at += taken
    if (this.#carried < size) return at
    const bytes = this.#carry
    this.#carried = 0
    this.#carriedSize = 0
    // Says where the body begins.
    this.#sizeOf(bytes, 0, size)
    this.#packet(bytes, 0, size)
    if (this.#carry.length > keptCarryBytes) this.#carry = nothing
    return at
  }

  /** Grows by doubling what has arrived, and never beyond the packet. (R2) */
  #keep(chunk: Buffer, from: number, to: number): void {
    const needed = this.#carried + to - from
    if (needed > this.#carry.length) {
      const wanted = Math.max(firstCarryBytes, needed * 2)
      const larger = Buffer.allocUnsafe(
        this.#carriedSize > 0 ? Math.max(needed, Math.min(wanted, this.#carriedSize)) : wanted,
      )
      this.#carry.copy(larger, 0, 0, this.#carried)
      this.#carry = larger
    }
    chunk.copy(this.#carry, this.#carried, from, to)
    this.#carried = needed
  }

  /** One whole packet whose header was found good. */
  #packet(bytes: Buffer, at: number, end: number): void {
    this.count++
    const first = bytes[at]!
    const body = at + this.#headerBytes
    const type = first >> 4
    if (type === packetType.publish) {
      const refusal = publishes.parse(this.#version, first, bytes, body, end)
      if (refusal === undefined) this.#sink.publish(publishes.frame)
      else this.#refuse(refusal)
    } else if (type >= packetType.puback && type <= packetType.pubcomp) {
      this.#acknowledgement(type as AcknowledgementType, bytes, body, end)
    } else if (type === packetType.pingreq) {
      if (body === end) this.#sink.ping()
      else this.#refuse(badPing)
    } else this.#rarePacket(type, bytes, body, end)
  }

  #acknowledgement(type: AcknowledgementType, bytes: Buffer, at: number, end: number): void {
    const length = end - at
    if (length < 2 || (this.#version === 4 && length !== 2)) {
      this.#refuse(cutAcknowledgement)
      return
    }
    const packetId = (bytes[at]! << 8) | bytes[at + 1]!
    const code = length === 2 ? reason.success : bytes[at + 2]!
    let refusal: Refusal | undefined
    if (packetId === 0) refusal = badId
    else if (length > 2) {
      const isAllowed = type === packetType.puback || type === packetType.pubrec ? isPublishReason : isReleaseReason
      refusal = isAllowed(code) ? this.#passProperties(type, bytes, at + 3, end) : badReason
    }
    if (refusal === undefined) this.#sink.acknowledged(type, packetId, code)
    else this.#refuse(refusal)
  }

  /** Reason strings and user properties of acknowledgements are checked, and nobody reads them. */
  #passProperties(type: number, bytes: Buffer, at: number, end: number): Refusal | undefined {
    if (at === end) return undefined
    const cursor = theCursor
    cursor.begin(bytes, at, end)
    theScan.begin(cursor, type)
    while (theScan.next());
    theScan.end()
    return cursor.isAtEnd ? cursor.refusal : cutAcknowledgement
  }

  #rarePacket(type: number, bytes: Buffer, at: number, end: number): void {
    const cursor = theCursor
    const version = this.#version
    cursor.begin(bytes, at, end)
    if (type === packetType.connect) {
      const packet = parseConnect(cursor, (spoken) => {
        this.#version = spoken
      })
      if (this.#isRefused()) return
      this.#isConnected = true
      this.#limit = this.#maxPacketBytes
      this.#sink.connect(packet)
    } else if (type === packetType.subscribe) {
      const packet = parseSubscribe(cursor, version)
      if (!this.#isRefused()) this.#sink.subscribe(packet)
    } else if (type === packetType.unsubscribe) {
      const packet = parseUnsubscribe(cursor, version)
      if (!this.#isRefused()) this.#sink.unsubscribe(packet)
    } else if (type === packetType.disconnect) {
      const packet = parseDisconnect(cursor, version)
      if (this.#isRefused()) return
      // [MQTT-3.14.4-1]
      this.stop()
      this.#sink.disconnect(packet)
    } else {
      const packet = parseAuth(cursor)
      if (!this.#isRefused()) this.#sink.auth(packet)
    }
  }

  #isRefused(): boolean {
    const { refusal } = theCursor
    if (refusal !== undefined) this.#refuse(refusal)
    return refusal !== undefined
  }

  #refuse({ reason: code, why }: Refusal): -1 {
    this.stop()
    this.#sink.broken(code, why)
    return -1
  }
}
