/** `brume token`: who may do what at a node. */
import { type Scope, scopes } from "@brume/core"
import type { NewToken } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import type { Terminal } from "../terminal.ts"
import { parseExpiry } from "../times.ts"

export interface TokenCreateFlags extends ConnectionFlags {
  readonly scope: readonly string[]
  readonly device?: readonly string[]
  readonly expires?: string
  readonly json?: boolean
}

export async function createToken(
  [name]: readonly [string],
  flags: TokenCreateFlags,
  terminal: Terminal,
): Promise<void> {
  const request: NewToken = {
    name,
    scopes: flags.scope.map(scopeOf),
    ...(flags.device === undefined ? {} : { devices: flags.device }),
    ...(flags.expires === undefined ? {} : { expires: parseExpiry(flags.expires) }),
  }
  const client = await connect(flags, terminal)
  const { secret, ...token } = await client.tokens.create(request)
  if (flags.json === true) {
    await terminal.out.write(`${JSON.stringify({ ...token, secret })}\n`)
    return
  }
  // The secret alone on stdout, so that a script can keep it: SECRET=$(brume token create …).
  const { notes, out } = terminal
  const limits = [
    token.devices === undefined ? "all devices" : `devices ${token.devices.join(", ")}`,
    token.expires === undefined ? "never expires" : `expires ${token.expires}`,
  ]
  await notes.write(`Token ${token.id} (${token.name}): ${token.scopes.join(", ")}; ${limits.join("; ")}.\n`)
  await notes.write("Its secret is shown this once:\n")
  await out.write(`${secret}\n`)
}

export async function revokeTokens(
  [ids]: readonly [readonly string[]],
  flags: ConnectionFlags & { readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const client = await connect(flags, terminal)
  for (const id of ids) {
    await client.tokens.revoke(id)
    if (flags.json !== true) await terminal.notes.write(`Token ${id} is revoked.\n`)
  }
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ revoked: ids })}\n`)
}

function scopeOf(text: string): Scope {
  const scope = scopes.find((one) => one === text)
  if (scope !== undefined) return scope
  throw usageError(`There is no scope ${JSON.stringify(text)}`, `Scopes are ${scopes.join(", ")}.`)
}
