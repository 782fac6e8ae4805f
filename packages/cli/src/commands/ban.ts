/** `brume ban`: what may not connect over MQTT. */
import { type BanKind, banKinds } from "@brume/core"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import type { Terminal } from "../terminal.ts"
import { parseExpiry } from "../times.ts"

interface Flags extends ConnectionFlags {
  readonly json?: boolean
}

export async function addBan(
  [kind, value]: readonly [string, string],
  flags: Flags & { readonly expires?: string; readonly reason?: string },
  terminal: Terminal,
): Promise<void> {
  const { expires, reason } = flags
  const request = {
    kind: kindOf(kind),
    value,
    ...(expires === undefined ? {} : { expires: parseExpiry(expires) }),
    ...(reason === undefined ? {} : { reason }),
  }
  const client = await connect(flags, terminal)
  const ban = await client.bans.add(request)
  if (flags.json === true) await terminal.out.write(`${JSON.stringify(ban)}\n`)
  else
    await terminal.notes.write(
      `The ${kind} ${value} is banned${ban.expires === undefined ? "" : ` until ${ban.expires}`}.\n`,
    )
}

export async function removeBan(
  [kind, value]: readonly [string, string],
  flags: Flags,
  terminal: Terminal,
): Promise<void> {
  const known = kindOf(kind)
  const client = await connect(flags, terminal)
  await client.bans.remove(known, value)
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ removed: { kind, value } })}\n`)
  else await terminal.notes.write(`The ${kind} ${value} is no longer banned.\n`)
}

function kindOf(text: string): BanKind {
  const kind = banKinds.find((one) => one === text)
  if (kind !== undefined) return kind
  throw usageError(`Nothing of the kind ${JSON.stringify(text)} can be banned`, `Kinds are ${banKinds.join(", ")}.`)
}
