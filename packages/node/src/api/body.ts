/**
 * Reads the body of a request: bounded before and after decompression, and within the budget of all bodies.
 *
 * The compressed body is collected first and inflated then, so that a client that sends slowly holds no inflater.
 * A body that grows beyond its limit is stopped at the limit, however small it was on the wire.
 */
import type { IncomingMessage } from "node:http"
import {
  type BrotliOptions,
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync as inflateZlibSync,
  type ZlibOptions,
} from "node:zlib"
import { FogError, type Metrics } from "@brume/core"
import type { BodyBudget } from "./body-budget.ts"

export interface Body {
  readonly bytes: Buffer
  /** Gives the bytes back to the budget. Idempotent. */
  release(): void
}

export interface BodyReaderOptions {
  readonly budget: BodyBudget
  /** Called before the first byte is read: some clients wait for `100 Continue`. */
  readonly invite: (request: IncomingMessage) => void
  readonly metrics: Metrics
}

/** @param limitBytes largest body, as it arrives and after decompression. */
export type BodyReader = (request: IncomingMessage, limitBytes: number) => Promise<Body>

interface BodyLimits {
  readonly limitBytes: number
  readonly budget: BodyBudget
}

type Compression = "gzip" | "deflate" | "br"

/** What is offered in `Accept-Encoding` when another one came. */
export const acceptedEncodings = "gzip, deflate, br"

/**
 * Bodies up to the first size that inflate to the second at most are inflated at once: that takes less of this thread
 * than parsing them will, and spares the trips to the pool, which cost ten times as much for a small body.
 */
const quickBytes = 65_536
const quickInflatedBytes = 1_048_576
/** Output buffer of an inflater for larger ones, bytes. */
const chunkSize = 262_144

export function createBodyReader({ budget, invite, metrics }: BodyReaderOptions): BodyReader {
  const arrivedBytes = metrics.counter("brume_api_body_bytes_total", "Bytes of request bodies, as they arrived")
  metrics.gauge("brume_api_bodies_bytes", "Bytes of request bodies in memory", () => budget.taken)

  return async (request, limitBytes) => {
    const limits = { limitBytes, budget }
    const encoding = encodingOf(request)
    const declared = Number(request.headers["content-length"] ?? 0)
    if (declared > limitBytes) throw tooLarge(limitBytes, `announces ${declared}`)
    invite(request)
    const arrived = await collect(request, limits)
    arrivedBytes.add(arrived.bytes.length)
    if (encoding === "identity" || arrived.bytes.length === 0) return arrived
    try {
      return inflateAtOnce(arrived.bytes, encoding, limits) ?? (await inflate(arrived.bytes, encoding, limits))
    } finally {
      arrived.release()
    }
  }
}

function encodingOf(request: IncomingMessage): Compression | "identity" {
  const header = request.headers["content-encoding"]
  if (header === undefined) return "identity"
  switch (header.trim().toLowerCase()) {
    case "":
    case "identity":
      return "identity"
    case "gzip":
    case "x-gzip":
      return "gzip"
    case "deflate":
      return "deflate"
    case "br":
      return "br"
  }
  throw new FogError("payload_type", {
    message: `The content encoding ${JSON.stringify(header.slice(0, 80))} is not supported`,
    hint: `Use one of ${acceptedEncodings}, or none.`,
  })
}

/** Takes every piece from the budget as it arrives: what a client announces costs nothing. */
function collect(request: IncomingMessage, { limitBytes, budget }: BodyLimits): Promise<Body> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const stop = (): void => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose)
    }
    const fail = (error: FogError): void => {
      stop()
      request.pause()
      budget.give(length)
      reject(error)
    }
    const onData = (chunk: Buffer): void => {
      if (length + chunk.length > limitBytes) fail(tooLarge(limitBytes, "goes on beyond that"))
      else if (!budget.take(chunk.length)) fail(noMemory())
      else {
        length += chunk.length
        chunks.push(chunk)
      }
    }
    const onEnd = (): void => {
      stop()
      resolve(bodyOf(chunks, length, budget))
    }
    const onClose = (): void => fail(brokenOff())
    if (request.destroyed && !request.complete) onClose()
    else request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose)
  })
}

/** Undefined when the body is too large for that. */
function inflateAtOnce(
  compressed: Buffer,
  encoding: Compression,
  { limitBytes, budget }: BodyLimits,
): Body | undefined {
  const maxOutputLength = Math.min(quickInflatedBytes, limitBytes)
  if (compressed.length > quickBytes || !budget.take(maxOutputLength)) return undefined
  let unused = maxOutputLength
  try {
    const bytes = inflateSync(compressed, encoding, { maxOutputLength })
    unused -= bytes.length
    return bodyOf([bytes], bytes.length, budget)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") return undefined
    throw broken(error, encoding)
  } finally {
    budget.give(unused)
  }
}

async function inflate(compressed: Buffer, encoding: Compression, { limitBytes, budget }: BodyLimits): Promise<Body> {
  const inflater = inflaterOf(compressed, encoding)
  const chunks: Buffer[] = []
  let length = 0
  try {
    inflater.end(compressed)
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      if (length + chunk.length > limitBytes) throw tooLarge(limitBytes, "has more when it is decompressed")
      if (!budget.take(chunk.length)) throw noMemory()
      length += chunk.length
      chunks.push(chunk)
    }
    return bodyOf(chunks, length, budget)
  } catch (error) {
    budget.give(length)
    throw error instanceof FogError ? error : broken(error, encoding)
  } finally {
    inflater.destroy()
  }
}

function broken(error: unknown, encoding: Compression): FogError {
  return new FogError("payload_encoding", {
    message: `The body is not valid ${encoding}: ${(error as Error).message}`,
    hint: "Send the whole compressed body, or none of it compressed.",
    cause: error,
  })
}

function inflateSync(compressed: Buffer, encoding: Compression, options: ZlibOptions & BrotliOptions): Buffer {
  if (encoding === "gzip") return gunzipSync(compressed, options)
  if (encoding === "br") return brotliDecompressSync(compressed, options)
  return hasZlibHeader(compressed) ? inflateZlibSync(compressed, options) : inflateRawSync(compressed, options)
}

function inflaterOf(compressed: Buffer, encoding: Compression) {
  if (encoding === "gzip") return createGunzip({ chunkSize })
  if (encoding === "br") return createBrotliDecompress({ chunkSize })
  return hasZlibHeader(compressed) ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize })
}

/** "deflate" means zlib's format [RFC 9110 8.4.1.2], but some clients send it bare. */
function hasZlibHeader(bytes: Buffer): boolean {
  return bytes.length >= 2 && (bytes[0]! & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0
}

function bodyOf(chunks: Buffer[], length: number, budget: BodyBudget): Body {
  let held = length
  return {
    bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length),
    release() {
      budget.give(held)
      held = 0
    },
  }
}

function tooLarge(limitBytes: number, why: string): FogError {
  return new FogError("payload_too_large", {
    message: `The body may have ${limitBytes} bytes, but ${why}`,
    hint: "Send the readings in several requests.",
    details: { limitBytes },
  })
}

function noMemory(): FogError {
  return new FogError("store_busy", {
    message: "The bodies of all requests together take more memory than the limit",
    hint: "Try again after the time in Retry-After, with fewer requests at once.",
  })
}

/** Nobody is left to read this. */
function brokenOff(): FogError {
  return new FogError("request_timeout", { message: "The connection ended before the body was complete" })
}
