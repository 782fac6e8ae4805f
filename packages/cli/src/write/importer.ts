/**
 * Lines to a node in batches; good lines are stored although others are refused.
 *
 * I1: a batch has one Idempotency-Key for all attempts, so that a lost answer stores nothing twice.
 * I2: batches are stored in the order of the input; one travels while the next is collected.
 * I3: each refused line is named by its number in the input. After `maxRefused` of them nothing more is sent.
 */
import { type FogError, isFogError } from "@brume/core"
import type { BrumeClient } from "@brume/sdk"
import { usageError } from "../failure.ts"

export interface ImportOptions {
  readonly send: SendLines
  readonly maxRefused: number
  readonly refused: (line: RefusedLine) => void
  /** Called after each batch. */
  readonly progress: (counts: ImportCounts) => void
  readonly signal: AbortSignal
}

export interface RefusedLine {
  /** From 1; undefined where the node named none. */
  readonly number: number | undefined
  readonly reason: string
}

export interface ImportCounts {
  /** Readings on the node's disk. */
  readonly accepted: number
  /** Lines that the node refused. */
  readonly refused: number
}

export interface InputLine {
  readonly line: string
  readonly number: number
}

/** Lines of one batch to the node; gives up what is left of it once more than `maxRefused` were refused. */
export type SendLines = (
  lines: readonly InputLine[],
  limits: { readonly maxRefused: number; readonly signal: AbortSignal },
) => Promise<SentLines>

export interface SentLines {
  readonly accepted: number
  readonly refused: readonly RefusedLine[]
}

const maxBatchLines = 5_000
const maxBatchLength = 2_097_152
/** How long a batch waits for more lines while the input is silent, ms. */
const maxIdleMs = 200

export async function importLines(lines: AsyncIterable<InputLine>, options: ImportOptions): Promise<ImportCounts> {
  let counts: ImportCounts = { accepted: 0, refused: 0 }
  let failure: unknown
  const send = async (batch: readonly InputLine[]): Promise<void> => {
    try {
      const maxRefused = options.maxRefused - counts.refused
      const { accepted, refused } = await options.send(batch, { maxRefused, signal: options.signal })
      for (const line of refused) options.refused(line)
      counts = { accepted: counts.accepted + accepted, refused: counts.refused + refused.length }
      options.progress(counts)
    } catch (error) {
      failure = error
    }
  }
  let flight: Promise<void> | undefined
  for await (const batch of batchesOf(lines)) {
    await flight
    options.signal.throwIfAborted()
    if (failure !== undefined || counts.refused > options.maxRefused) break
    flight = send(batch)
  }
  await flight
  if (failure !== undefined) throw withCounts(failure, counts)
  return counts
}

/** Full batches, or what has come so far when the input is silent: it may be a tail that never ends. */
async function* batchesOf(lines: AsyncIterable<InputLine>): AsyncGenerator<InputLine[], void, undefined> {
  const input = lines[Symbol.asyncIterator]()
  let batch: InputLine[] = []
  let length = 0
  let pending = input.next()
  try {
    for (;;) {
      const next = batch.length === 0 ? await pending : await withinIdle(pending)
      if (next !== undefined) {
        if (next.done === true) break
        batch.push(next.value)
        length += next.value.line.length
        pending = input.next()
      }
      if (next === undefined || batch.length >= maxBatchLines || length >= maxBatchLength) {
        yield batch
        batch = []
        length = 0
      }
    }
    if (batch.length > 0) yield batch
  } finally {
    // The input may never say another word: nobody waits for its end.
    pending.catch(() => {})
    input.return?.().then(undefined, () => {})
  }
}

/** undefined when nothing came in time. */
async function withinIdle<T>(pending: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const idle = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), maxIdleMs)
  })
  try {
    return await Promise.race([pending, idle])
  } finally {
    clearTimeout(timer)
  }
}

/** NDJSON: all or nothing by the node's rule, so the lines that it names are left out and the others sent again. */
export function ndjsonSender(client: BrumeClient): SendLines {
  return async (lines, { maxRefused, signal }) => {
    let left = lines
    const refused: RefusedLine[] = []
    while (left.length > 0 && refused.length <= maxRefused) {
      try {
        const { accepted } = await client.writeReadings({ ndjson: left.map(({ line }) => line).join("\n") }, { signal })
        return { accepted, refused }
      } catch (error) {
        const named = namedLines(error, left)
        if (named === undefined) throw error
        refused.push(...named.values())
        left = left.filter(({ number }) => !named.has(number))
      }
    }
    return { accepted: 0, refused }
  }
}

/** Line protocol: the node stores the good lines by itself and counts the others. */
export function lineProtocolSender(client: BrumeClient, precision: "ns" | "us" | "ms" | "s" | undefined): SendLines {
  return async (lines, { signal }) => {
    const lineProtocol = lines.map(({ line }) => line).join("\n")
    try {
      await client.writeLines({ lineProtocol, ...(precision === undefined ? {} : { precision }) }, { signal })
      return { accepted: lines.length, refused: [] }
    } catch (error) {
      if (!isFogError(error, "readings_invalid")) throw error
      const dropped = Number(/dropped=(\d+)/.exec(error.message)?.[1] ?? lines.length)
      const reason = `in lines ${lines[0]?.number} to ${lines.at(-1)?.number}: ${error.message}`
      const others = Array.from({ length: Math.max(0, dropped - 1) }, () => ({ number: undefined, reason: "" }))
      return { accepted: lines.length - dropped, refused: [{ number: undefined, reason }, ...others] }
    }
  }
}

/** What the node says of each bad line, by the line's number in the input; undefined when it names none. */
function namedLines(error: unknown, sent: readonly InputLine[]): Map<number, RefusedLine> | undefined {
  const mistakes = isFogError(error, "readings_invalid") ? error.details?.mistakes : undefined
  if (!Array.isArray(mistakes)) return undefined
  const named = new Map<number, RefusedLine>()
  for (const { at, reason } of mistakes as { at?: unknown; reason?: unknown }[]) {
    const [, digits, rest = ""] = /^line (\d+)(.*)$/.exec(String(at)) ?? []
    const number = sent[Number(digits) - 1]?.number
    if (number === undefined) return undefined
    named.set(number, { number, reason: `${rest.replace(/^: /, "")} ${String(reason)}`.trim() })
  }
  return named.size === 0 ? undefined : named
}

function withCounts(failure: unknown, { accepted }: ImportCounts): unknown {
  if (!isFogError(failure)) return failure
  const known = failure as FogError
  return Object.assign(known, { message: `${known.message} (${accepted} readings were stored before)` })
}

export function countFlag(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw usageError(`--max-refused ${JSON.stringify(text)} is no whole number`, "Write it like --max-refused 100.")
}
