/** The machine's randomness, fit for secrets. */
import { randomBytes } from "node:crypto"
import type { Random } from "@brume/core"

export function systemRandom(): Random {
  return { unit: Math.random, bytes: (count) => randomBytes(count) }
}
