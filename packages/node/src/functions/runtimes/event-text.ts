/** An event as it is sent: JSON, neither too large nor too deep. */
import { FogError } from "@brume/core"
import { deepest, isTooDeep } from "./nesting.ts"

const mostEventBytes = 16 * 2 ** 20

/** Throws `payload_too_large`. */
export function eventText(name: string, event: unknown): string {
  const text = JSON.stringify(event ?? null)
  if (isTooDeep(event, text.length))
    throw new FogError("payload_too_large", {
      message: `The event for function ${name} nests deeper than ${deepest}`,
      hint: "Make it flatter.",
    })
  if (text.length <= mostEventBytes) return text
  throw new FogError("payload_too_large", {
    message: `The event for function ${name} has ${text.length} characters as JSON; at most ${mostEventBytes} are taken`,
    hint: "Store what is large, and call the function with where it is.",
  })
}
