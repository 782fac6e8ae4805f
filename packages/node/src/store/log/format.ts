/**
 * The bytes of log files and snapshots: file header, frames, commit markers, names. Little-endian; everything starts
 * at a multiple of 8, so that columns can be copied as they are. docs/reference/files.md describes the same for people.
 */
import { crc32 } from "node:zlib"
import { FogError, recordKind } from "@brume/core"

export const formatVersion = 1
/** Frames start at multiples of this. */
export const alignment = 8
export const frameHeaderBytes = 24
/** Largest payload of a record. Recovery and replay hold one record at a time. */
export const maxPayloadBytes: number = 64 * 2 ** 20

/** Kinds of frames: those of records, and the marker that ends a group. */
export const commitKind = 0xf0
const knownKinds: ReadonlySet<number> = new Set([...Object.values(recordKind), commitKind])

export const flag = {
  /** Of a keyed record: the key is removed. */
  removed: 1,
  /** Of a commit marker: the log was closed here; nothing was under way. */
  closed: 1,
} as const

/** Continues in `seed` the checksum of earlier bytes, or that of an epoch. */
export function checksum(bytes: Uint8Array, seed: number): number {
  // zlib takes an array without memory for a wish to start anew.
  return bytes.length === 0 ? seed : crc32(bytes, seed)
}

/** Every checksum begins with the epoch, so that bytes of another log's life never match. */
export function epochSeed(epoch: string): number {
  return crc32(epoch)
}

/** Of the checksums of a group's records: whether exactly these records are there, in this order. */
export function checksumOfGroup(checksums: Uint32Array, seed: number): number {
  return checksum(new Uint8Array(checksums.buffer, checksums.byteOffset, checksums.byteLength), seed)
}

export function padded(bytes: number): number {
  return (bytes + alignment - 1) & ~(alignment - 1)
}

// Frames ------------------------------------------------------------------------------------------------------------

/**
 * A record or a marker:
 * checksum of the rest u32 | payload bytes u32 | kind u8 | flags u8 | 0 u16 | rows u32 | seq u64 | payload | padding
 */
export interface Frame {
  readonly checksum: number
  readonly kind: number
  readonly flags: number
  /** How many sequences it takes: readings one for each row, keyed records one, markers none. */
  readonly rows: number
  readonly seq: number
  /** Where the payload lies in the buffer. */
  readonly start: number
  readonly end: number
  /** Where the next frame begins in the buffer. */
  readonly next: number
}

/** Bytes of the frame that a header announces, or 0 when no frame can begin like this. */
export function announcedBytes(buffer: Buffer, at: number): number {
  if (buffer[at + 10] !== 0 || buffer[at + 11] !== 0) return 0
  const payloadBytes = buffer.readUInt32LE(at + 4)
  return payloadBytes > maxPayloadBytes ? 0 : frameHeaderBytes + padded(payloadBytes)
}

export function isKnownKind(kind: number): boolean {
  return knownKinds.has(kind)
}

/** The frame at this place, whose announced bytes are all in the buffer; undefined when its checksum is wrong. */
export function parseFrame(buffer: Buffer, at: number, seed: number): Frame | undefined {
  const payloadBytes = buffer.readUInt32LE(at + 4)
  const start = at + frameHeaderBytes
  const next = start + padded(payloadBytes)
  const sum = buffer.readUInt32LE(at)
  if (checksum(buffer.subarray(at + 4, next), seed) !== sum) return undefined
  return {
    checksum: sum,
    kind: buffer[at + 8]!,
    flags: buffer[at + 9]!,
    rows: buffer.readUInt32LE(at + 12),
    seq: readU64(buffer, at + 16),
    start,
    end: start + payloadBytes,
    next,
  }
}

// Commit markers ----------------------------------------------------------------------------------------------------

/** The payload of a marker. Its frame's seq is the sequence after the group's last one. */
export interface Marker {
  /** Where the group begins in its file. */
  readonly groupStart: number
  readonly groupFirstSeq: number
  /** First sequence of the file, as in its name: a marker fits one place of one file alone. */
  readonly fileSeq: number
  readonly records: number
  /** Checksum of the checksums of its records. */
  readonly groupChecksum: number
}

export const markerPayloadBytes = 32

export function writeMarker(buffer: Buffer, at: number, marker: Marker): void {
  writeU64(buffer, at, marker.groupStart)
  writeU64(buffer, at + 8, marker.groupFirstSeq)
  writeU64(buffer, at + 16, marker.fileSeq)
  buffer.writeUInt32LE(marker.records, at + 24)
  buffer.writeUInt32LE(marker.groupChecksum, at + 28)
}

export function parseMarker(buffer: Buffer, frame: Frame): Marker | undefined {
  if (frame.end - frame.start !== markerPayloadBytes) return undefined
  return {
    groupStart: readU64(buffer, frame.start),
    groupFirstSeq: readU64(buffer, frame.start + 8),
    fileSeq: readU64(buffer, frame.start + 16),
    records: buffer.readUInt32LE(frame.start + 24),
    groupChecksum: buffer.readUInt32LE(frame.start + 28),
  }
}

// File headers ------------------------------------------------------------------------------------------------------

export type FileKind = "log" | "snapshot"

/**
 * magic 8 | version u16 | header bytes u16 | checksum u32 | epoch 8 | first seq u64 | previous seq u64 |
 * created f64 | time floor f64 | node bytes u16 | node | padding
 */
export interface FileHeader {
  readonly kind: FileKind
  readonly node: string
  readonly epoch: string
  /** Log: the sequence at which the file begins. Snapshot: everything below it is in the snapshot. */
  readonly firstSeq: number
  /** Where the file before this one ended. What lies between it and `firstSeq` was never acknowledged. */
  readonly previousSeq: number
  /** µs since 1970 UTC. */
  readonly created: number
  /** Highest `received` before this file. */
  readonly timeFloor: number
}

export type ParsedHeader =
  | { readonly state: "valid"; readonly header: FileHeader; readonly bytes: number }
  | { readonly state: "newer"; readonly version: number }
  | { readonly state: "damaged" }

const magics: Readonly<Record<FileKind, string>> = { log: "BRUMELOG", snapshot: "BRUMESNP" }
const fixedHeaderBytes = 58
/** Node names are at most 512 UTF-16 units, hence at most three times as many bytes. */
export const maxHeaderBytes = 2048

/** Bytes of the header that this node's files have. */
export function headerBytes(node: string): number {
  return padded(fixedHeaderBytes + Buffer.byteLength(node))
}

export function encodeHeader(header: FileHeader): Buffer {
  const node = Buffer.from(header.node)
  const bytes = Buffer.alloc(headerBytes(header.node))
  if (bytes.length > maxHeaderBytes) {
    throw new FogError("config_invalid", {
      message: `The node's name is too long: ${node.length} bytes`,
      hint: "Choose a node.name of at most 512 characters.",
    })
  }
  bytes.write(magics[header.kind], 0, "latin1")
  bytes.writeUInt16LE(formatVersion, 8)
  bytes.writeUInt16LE(bytes.length, 10)
  bytes.write(header.epoch, 16, "hex")
  writeU64(bytes, 24, header.firstSeq)
  writeU64(bytes, 32, header.previousSeq)
  bytes.writeDoubleLE(header.created, 40)
  bytes.writeDoubleLE(header.timeFloor, 48)
  bytes.writeUInt16LE(node.length, 56)
  bytes.set(node, fixedHeaderBytes)
  bytes.writeUInt32LE(headerChecksum(bytes), 12)
  return bytes
}

/** Magic, version, length and checksum keep their places in later versions, so that those are told from damage. */
export function parseHeader(bytes: Buffer, kind: FileKind): ParsedHeader {
  const damaged = { state: "damaged" } as const
  if (bytes.length < fixedHeaderBytes || bytes.toString("latin1", 0, 8) !== magics[kind]) return damaged
  const version = bytes.readUInt16LE(8)
  const length = bytes.readUInt16LE(10)
  if (length < fixedHeaderBytes || length > bytes.length || length % alignment !== 0) return damaged
  const whole = bytes.subarray(0, length)
  if (headerChecksum(whole) !== whole.readUInt32LE(12)) return damaged
  if (version > formatVersion) return { state: "newer", version }
  const nodeBytes = whole.readUInt16LE(56)
  if (version === 0 || fixedHeaderBytes + nodeBytes > length) return damaged
  const header: FileHeader = {
    kind,
    node: whole.toString("utf8", fixedHeaderBytes, fixedHeaderBytes + nodeBytes),
    epoch: whole.toString("hex", 16, 24),
    firstSeq: readU64(whole, 24),
    previousSeq: readU64(whole, 32),
    created: whole.readDoubleLE(40),
    timeFloor: whole.readDoubleLE(48),
  }
  return { state: "valid", header, bytes: length }
}

function headerChecksum(header: Buffer): number {
  return checksum(header.subarray(16), checksum(header.subarray(0, 12), 0))
}

export function newerVersion(path: string, what: string): FogError {
  return new FogError("store_version", {
    message: `Cannot read ${path}: it holds ${what}, and this Brume knows format ${formatVersion}`,
    hint: "Start the version of Brume that wrote this folder, or a newer one.",
  })
}

// Names -------------------------------------------------------------------------------------------------------------

export interface FileName {
  readonly name: string
  readonly kind: FileKind
  readonly epoch: string
  readonly seq: number
}

export function fileName(kind: FileKind, epoch: string, seq: number): FileName {
  return { name: `${epoch}-${String(seq).padStart(20, "0")}.${kind}`, kind, epoch, seq }
}

export function parseFileName(name: string): FileName | undefined {
  const match = /^([0-9a-f]{16})-(\d{20})\.(log|snapshot)$/.exec(name)
  if (match === null) return undefined
  const seq = Number(match[2])
  return Number.isSafeInteger(seq) ? { name, kind: match[3] as FileKind, epoch: match[1]!, seq } : undefined
}

// Numbers -----------------------------------------------------------------------------------------------------------

/** Sequences and positions stay below 2^53; what is above reads as a number that fits nothing. */
export function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 0x1_0000_0000
}

export function writeU64(buffer: Buffer, at: number, value: number): void {
  buffer.writeUInt32LE(value >>> 0, at)
  buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}
