/**
 * Brings one batch to the node: all of it, or what the node does not refuse for good.
 * A failure that time may heal is thrown; the next attempt goes on with the parts that are left.
 */
import { type ErrorCode, FogError, isFogError } from "@brume/core"
import type { ReadingInput } from "../readings.ts"
import { countOf } from "../readings.ts"
import type { Batch } from "./buffer.ts"
import { type Part, sift } from "./parts.ts"

/** Sends lines under their key, once; resolves to how many readings the node accepted. Throws a FogError. */
export type SendLines = (part: Part, signal: AbortSignal) => Promise<number>

export interface DeliveryOptions {
  readonly send: SendLines
  /** The lines of a batch, or undefined when its storage lost them. */
  readonly read: (batch: Batch) => Promise<readonly string[] | undefined>
  readonly written: (readings: number) => void
  readonly rejected: (error: FogError, lines: readonly string[], readings: number) => void
}

export interface Delivery {
  deliver(batch: Batch, signal: AbortSignal): Promise<void>
}

/** These refuse the readings themselves: the same readings never pass. */
const poison: readonly ErrorCode[] = [
  "readings_invalid",
  "readings_too_many",
  "payload_too_large",
  "payload_encoding",
  "request_invalid",
  "idempotency_conflict",
]

/** A fault of the node that meets the same readings this many times in a row is taken for theirs. */
const maxInternalFaults = 5

export function createDelivery({ send, read, written, rejected }: DeliveryOptions): Delivery {
  let current: Batch | undefined
  let parts: Part[] = []
  let internalFaults = 0

  function isPoison(error: FogError): boolean {
    internalFaults = error.code === "internal" ? internalFaults + 1 : 0
    // A token without the right to write is mended by people; one that is limited to devices refuses some readings.
    if (error.code === "forbidden") return typeof error.details?.device === "string"
    return poison.includes(error.code) || internalFaults >= maxInternalFaults
  }

  async function sendFirst(part: Part, signal: AbortSignal): Promise<void> {
    try {
      written(await send(part, signal))
      internalFaults = 0
      parts.shift()
    } catch (error) {
      if (!isFogError(error) || !isPoison(error)) throw error
      const { parts: rest, refused } = sift(part, error)
      parts.splice(0, 1, ...rest)
      if (refused.length > 0) rejected(error, refused, countLines(refused))
    }
  }

  return {
    async deliver(batch, signal) {
      if (current !== batch) {
        const lines = await read(batch)
        if (lines === undefined) {
          rejected(lostError(batch), [], batch.readings)
          return
        }
        current = batch
        parts = [{ key: batch.key, lines }]
        internalFaults = 0
      }
      for (let part = parts[0]; part !== undefined; part = parts[0]) await sendFirst(part, signal)
      current = undefined
    },
  }
}

function countLines(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + countOf(JSON.parse(line) as ReadingInput), 0)
}

function lostError(batch: Batch): FogError {
  return new FogError("store_damaged", {
    message: `${batch.readings} unsent readings of an earlier run can no longer be read`,
    hint: "Look into the writer's storage: what was left of them is set aside there.",
  })
}
