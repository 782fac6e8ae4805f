/** An expiry in a JSON body. */
import { type ErrorCode, FogError } from "@brume/core"

export const expirySchema = {
  type: "string",
  maxLength: 40,
  pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2})$",
  description: "ISO 8601 with a time zone; never without it.",
} as const

/** µs since 1970 UTC. Throws the code where what fits the schema is no date, such as 2030-02-31. */
export function parsedExpiry(text: string, code: ErrorCode, name = "expires"): number {
  const ms = Date.parse(text)
  if (!Number.isNaN(ms)) return ms * 1_000
  throw new FogError(code, {
    message: `${name} ${JSON.stringify(text)} is no date`,
    hint: "Write it like 2030-01-31T12:00:00Z.",
  })
}
