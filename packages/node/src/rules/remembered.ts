/** What is kept of a reading or a message, for the next one and for what is due later: short, however long it was. */
import { createHash } from "node:crypto"

export interface Remembered {
  readonly value?: number
  readonly text?: string
  /** As it was written. */
  readonly json?: string
  /** In place of what was too long: enough to see whether the next one is the same. */
  readonly digest?: string
  /** µs since 1970 UTC. */
  readonly time: number
}

export interface Said {
  readonly value?: number | undefined
  readonly text?: string | undefined
  readonly json?: string | undefined
}

/** Characters of a text that is kept. */
const maxKeptLength = 1_024

export function rememberedOf({ value, text, json, time }: Said & { readonly time: number }): Remembered {
  const long = text ?? json ?? ""
  if (long.length > maxKeptLength) return { ...(value === undefined ? {} : { value }), digest: digestOf(long), time }
  return {
    ...(value === undefined ? {} : { value }),
    ...(text === undefined ? {} : { text }),
    ...(json === undefined ? {} : { json }),
    time,
  }
}

export function wasSame(earlier: Remembered, { value, text, json }: Said): boolean {
  if (earlier.value !== value) return false
  const long = text ?? json ?? ""
  if (earlier.digest !== undefined) return long.length > maxKeptLength && earlier.digest === digestOf(long)
  return earlier.text === text && earlier.json === json
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url")
}
