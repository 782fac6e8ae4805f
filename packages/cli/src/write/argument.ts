/** A reading written as one word on the command line: `cold/room-1/temperature=4.2`. */
import type { NewReading, ReadingValue } from "@brume/sdk"
import { usageError } from "../failure.ts"

export interface ArgumentContext {
  readonly time: string | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
}

const form = "Write it like cold/room-1/temperature=4.2: the last part before = is the property."

export function parseArgument(text: string, { time, tags }: ArgumentContext): NewReading {
  const equals = text.indexOf("=")
  const slash = text.lastIndexOf("/", equals)
  if (equals < 0 || slash <= 0 || slash === equals - 1) {
    throw usageError(`${JSON.stringify(text)} is no reading`, form)
  }
  return {
    device: text.slice(0, slash),
    property: text.slice(slash + 1, equals),
    value: parseValue(text.slice(equals + 1)),
    ...(time === undefined ? {} : { time }),
    ...(tags === undefined ? {} : { tags }),
  }
}

/** A number, true, false, or JSON; everything else is text. Digits beyond 2^53 stay exact. */
export function parseValue(text: string): ReadingValue {
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)
  if (!/^(-?\d|true$|false$|["[{])/.test(text)) return text
  try {
    return JSON.parse(text) as ReadingValue
  } catch {
    // It only begins like JSON: 12:30, [closed.
    return text
  }
}

export function parseTags(given: readonly string[] | undefined): Record<string, string> | undefined {
  if (given === undefined) return undefined
  return Object.fromEntries(
    given.map((text) => {
      const equals = text.indexOf("=")
      if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)]
      throw usageError(`--tag ${JSON.stringify(text)} is no tag`, "Write it like --tag hall=b.")
    }),
  )
}
