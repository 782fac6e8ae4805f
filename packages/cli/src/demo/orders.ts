/**
 * What the rooms of the site do when they are told to: cool harder for a while, and, so that there is something to see,
 * leave the door open. Times are those of the site, which may run faster than clocks.
 */

/** What a room was told, until when; ms since 1970 UTC. */
export interface Orders {
  boostUntil: number
  doorUntil: number
}

/** How a command ended, as the device answers it. */
export type Acted =
  | { readonly state: "done"; readonly output: Readonly<Record<string, string | number>> }
  | { readonly state: "failed"; readonly error: { readonly code: string; readonly message: string } }

const minuteMs = 60_000
const longestMinutes = 240

export const noOrders = (): Orders => ({ boostUntil: 0, doorUntil: 0 })

/** @param at the moment that the site has reached */
export function carryOut(
  orders: Orders,
  { command, input, at }: { command: string; input: unknown; at: number },
): Acted {
  switch (command) {
    case "boost":
      return forMinutes(input, 15, (minutes) => {
        orders.boostUntil = at + minutes * minuteMs
        return { cooling: "boost", minutes }
      })
    case "open-door":
      return forMinutes(input, 3, (minutes) => {
        orders.doorUntil = at + minutes * minuteMs
        return { door: "open", minutes }
      })
    case "close-door":
      orders.doorUntil = 0
      return { state: "done", output: { door: "as people leave it" } }
    default:
      return refused(
        "unknown_command",
        `There is no command ${command.slice(0, 40)}: boost, open-door and close-door are`,
      )
  }
}

function forMinutes(
  input: unknown,
  usual: number,
  act: (minutes: number) => Readonly<Record<string, string | number>>,
): Acted {
  const given = (input as { readonly minutes?: unknown } | null)?.minutes ?? usual
  if (typeof given !== "number" || !(given > 0 && given <= longestMinutes))
    return refused("bad_input", `minutes must be a number from 0 to ${longestMinutes}`)
  return { state: "done", output: act(given) }
}

function refused(code: string, message: string): Acted {
  return { state: "failed", error: { code, message } }
}
