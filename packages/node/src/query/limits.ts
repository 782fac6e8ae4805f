import { FogError } from "@brume/core"

/** What a statement of a user may take. */
export interface QueryLimits {
  /** Statements that run at once; each holds a thread of libuv's pool while it works. */
  readonly maxRunning: number
  /** Statements that wait for their turn. */
  readonly maxWaiting: number
  /** Longest time of one statement, waiting and reading its answer included. */
  readonly timeoutMs: number
  /** Most rows of an answer. */
  readonly maxRows: number
  /** Most bytes of an answer, as encoded. */
  readonly maxBytes: number
  /** Resident memory of the process beyond which the newest statements are stopped. */
  readonly maxResidentBytes: number
}

export const defaultLimits: QueryLimits = {
  maxRunning: 4,
  maxWaiting: 64,
  timeoutMs: 30_000,
  maxRows: 100_000,
  maxBytes: 256 * 2 ** 20,
  maxResidentBytes: 2 ** 30,
}

/** The limit itself, or what the request asks for below it. */
export function lowered(name: "maxRows" | "timeoutMs", asked: number | undefined, limit: number): number {
  if (asked === undefined) return limit
  if (Number.isSafeInteger(asked) && asked >= 1 && asked <= limit) return asked
  throw new FogError("query_invalid", {
    message: `${name} is ${asked}; it must be a whole number from 1 to ${limit}`,
    hint: `Leave it out for ${limit}, or raise query.${name} in the configuration.`,
  })
}
