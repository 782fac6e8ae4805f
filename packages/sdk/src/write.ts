/** Readings to a node in one request: acknowledged when they are on its disk. */
import { type ErrorCode, FogError } from "@brume/core"
import { newKey } from "./idempotency-key.ts"
import { encodeReading, type ReadingInput } from "./readings.ts"
import { expectObject, type Transport } from "./transport.ts"

/** NDJSON as text or bytes: one reading per line, in the form of {@link ReadingInput}. */
export interface NdjsonInput {
  readonly ndjson: string | Uint8Array<ArrayBuffer>
}

/** InfluxDB's line protocol as text or bytes. Good lines are stored even where others are refused. */
export interface LineProtocolInput {
  readonly lineProtocol: string | Uint8Array<ArrayBuffer>
  /** Unit of the timestamps. @default "ns" */
  readonly precision?: "ns" | "us" | "ms" | "s"
}

export interface WriteOptions {
  /**
   * Names this write: the node stores the same key once, however often it comes (within a stated time).
   * @default a random one per call, so that the client's own retries are safe
   */
  readonly idempotencyKey?: string
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What the node says once the readings are on disk. */
export interface Written {
  readonly accepted: number
  /** Sequence of the first one; the others follow it. */
  readonly seq: number
  readonly epoch: string
}

/** Bodies from this size on are compressed where the node is not on this machine, UTF-16 code units. */
const compressFrom = 2_048
/** A full disk does not empty itself while a caller waits. */
const final: readonly ErrorCode[] = ["store_full"]

export async function writeReadings(
  transport: Transport,
  input: ReadingInput | readonly ReadingInput[] | NdjsonInput,
  options: WriteOptions = {},
): Promise<Written> {
  const body = "ndjson" in input ? input.ndjson : ndjsonOf(input)
  const call = {
    method: "POST",
    path: "v1/readings",
    headers: { "content-type": "application/x-ndjson", "idempotency-key": options.idempotencyKey ?? newKey() },
    isIdempotent: true,
    final,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  } as const
  const answer = expectObject(
    await transport.json({ ...call, ...(await packed(call.headers, body, transport.base)) }),
    transport.base,
  )
  return answer as unknown as Written
}

/** Sends lines under their key, once: retries are the writer's. */
export async function sendLines(
  transport: Transport,
  part: { readonly key: string; readonly lines: readonly string[] },
  signal: AbortSignal,
): Promise<number> {
  const headers = { "content-type": "application/x-ndjson", "idempotency-key": part.key }
  const call = { method: "POST", path: "v1/readings", isIdempotent: false, signal } as const
  const packing = await packed(headers, part.lines.join("\n"), transport.base)
  const { accepted } = expectObject(await transport.json({ ...call, ...packing }), transport.base)
  return typeof accepted === "number" ? accepted : part.lines.length
}

export async function writeLines(
  transport: Transport,
  { lineProtocol, precision }: LineProtocolInput,
  options: WriteOptions = {},
): Promise<void> {
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "idempotency-key": options.idempotencyKey ?? newKey(),
  }
  const { timeoutMs, signal } = options
  await transport.json({
    method: "POST",
    path: "write",
    search: new URLSearchParams(precision === undefined ? {} : { precision }),
    isIdempotent: true,
    final,
    timeoutMs,
    signal,
    ...(await packed(headers, lineProtocol, transport.base)),
  })
}

function ndjsonOf(input: ReadingInput | readonly ReadingInput[]): string {
  const readings = Array.isArray(input) ? (input as readonly ReadingInput[]) : [input as ReadingInput]
  if (readings.length === 0) {
    throw new FogError("readings_invalid", { message: "There are no readings to write", hint: "Give at least one." })
  }
  return readings.map((reading) => encodeReading(reading)).join("\n")
}

interface Packing {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array<ArrayBuffer>
}

/** Gzip where it saves traffic: not to this machine, and not for a few lines. */
async function packed(
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array<ArrayBuffer>,
  base: URL,
): Promise<Packing> {
  const isNear = /^(localhost|127\.|\[::1\])/.test(base.hostname)
  if (isNear || body.length < compressFrom || globalThis.CompressionStream === undefined) return { headers, body }
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"))
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
  return { headers: { ...headers, "content-encoding": "gzip" }, body: bytes }
}
