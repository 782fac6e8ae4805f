/** Written limits of one payload, whatever its format. */
export interface PayloadLimits {
  /** Size after decompression. @default 16 MiB */
  readonly sizeBytes: number
  /** Readings in one payload (a line with three fields has three), and its lines or array members. @default 100000 */
  readonly readings: number
  /** Text of one reading, UTF-16 code units. @default 65536 */
  readonly textLength: number
  /** JSON of one reading as it is stored, UTF-16 code units. @default 65536 */
  readonly jsonLength: number
  /** Nesting of a JSON payload, counted from its outermost bracket. At most 256. @default 32 */
  readonly depth: number
}

export const defaultPayloadLimits: PayloadLimits = {
  sizeBytes: 16 * 1024 * 1024,
  readings: 100_000,
  textLength: 65_536,
  jsonLength: 65_536,
  depth: 32,
}

/**
 * Most values (objects, arrays and their members) in one JSON payload, so that `[[],[],…]` cannot become a hundred
 * times its size in memory: 2 million cost about 120 MB at worst. Twenty times the readings that a payload may carry.
 */
export const maxJsonValues = 2_000_000

/** Most mistakes that one answer names; the rest is counted. */
export const maxMistakesNamed = 20

/** Beyond this many mistakes the JSON formats stop reading: nothing is stored anyway, and mistakes cost more to find. */
export const maxMistakesCounted = 1_000
