/**
 * Chance that repeats: a number is a pure function of the seed and of what it is asked for, so that a site looks the
 * same in every run, whenever its simulation began.
 */

/** Uniform in [0, 1) for a seed and any parts, e.g. a room's name, a purpose and a place in time. */
export type Chance = (...parts: readonly (string | number)[]) => number

export function createChance(seed: number): Chance {
  return (...parts) => {
    let hash = mix(0x9e3779b9 ^ seed)
    for (const part of parts) hash = typeof part === "number" ? mixNumber(hash, part) : mixText(hash, part)
    return mix(hash) / 2 ** 32
  }
}

/** About normal, mean 0 and deviation 1, never beyond ±3.5: the sum of four uniform numbers, scaled. */
export function normal(chance: Chance, ...parts: readonly (string | number)[]): number {
  const sum = chance(...parts, 1) + chance(...parts, 2) + chance(...parts, 3) + chance(...parts, 4)
  return (sum - 2) * Math.sqrt(3)
}

function mixText(hash: number, text: string): number {
  let mixed = hash
  for (let index = 0; index < text.length; index++) mixed = Math.imul(mixed ^ text.charCodeAt(index), 0x01000193)
  return mix(mixed)
}

function mixNumber(hash: number, value: number): number {
  const low = value >>> 0
  const high = Math.floor(value / 2 ** 32) >>> 0
  return mix(mix(hash ^ low) + high)
}

/** The finalizer of MurmurHash3: every bit of the input changes about half of the output. */
function mix(value: number): number {
  let bits = value >>> 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
