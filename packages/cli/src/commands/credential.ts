/** `brume credential`: what devices sign in with over MQTT. */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import type { CreatedCredential, CredentialView, NewCredential, Permissions } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { usageError } from "../failure.ts"
import type { Terminal } from "../terminal.ts"

interface Flags extends ConnectionFlags {
  readonly json?: boolean
}

interface PermissionFlags extends Flags {
  readonly publish?: readonly string[]
  readonly subscribe?: readonly string[]
}

export interface CredentialCreateFlags extends PermissionFlags {
  readonly passwordFile?: string
  /** `true` where the flag stands alone. */
  readonly certificate?: string | true
  readonly fingerprint?: string
}

export async function createCredential(
  [username]: readonly [string],
  flags: CredentialCreateFlags,
  terminal: Terminal,
): Promise<void> {
  const { passwordFile, certificate, fingerprint } = flags
  if (certificate !== undefined && passwordFile !== undefined)
    throw usageError(
      "--certificate and --password-file do not go together",
      "A certificate takes the password's place.",
    )
  if (fingerprint !== undefined && certificate === undefined)
    throw usageError("--fingerprint needs --certificate", "It says which certificate is meant.")
  const password = await passwordOf(passwordFile, terminal)
  const request: NewCredential = {
    username,
    ...permissionsOf(flags),
    ...(password === undefined ? {} : { password }),
    ...(certificate === undefined
      ? {}
      : {
          certificate: {
            ...(certificate === true ? {} : { name: certificate }),
            ...(fingerprint === undefined ? {} : { fingerprint }),
          },
        }),
  }
  const client = await connect(flags, terminal)
  const made = await client.credentials.create(request)
  await tell(made, "is made", flags, terminal)
}

export async function rotateCredential(
  [username]: readonly [string],
  flags: Flags & { readonly passwordFile?: string },
  terminal: Terminal,
): Promise<void> {
  const password = await passwordOf(flags.passwordFile, terminal)
  const client = await connect(flags, terminal)
  await tell(await client.credentials.rotate(username, password), "has a new password", flags, terminal)
}

export async function changeCredential(
  [username]: readonly [string],
  flags: PermissionFlags & { readonly disable?: boolean; readonly enable?: boolean },
  terminal: Terminal,
): Promise<void> {
  if (flags.disable === true && flags.enable === true)
    throw usageError("--disable and --enable do not go together", "Give one of them.")
  const change = {
    ...permissionsOf(flags),
    ...(flags.disable === true ? { disabled: true } : {}),
    ...(flags.enable === true ? { disabled: false } : {}),
  }
  if (Object.keys(change).length === 0)
    throw usageError("Nothing is to be changed", "Give --publish, --subscribe, --disable or --enable.")
  const client = await connect(flags, terminal)
  await tell(await client.credentials.change(username, change), "is changed", flags, terminal)
}

export async function revokeCredentials(
  [usernames]: readonly [readonly string[]],
  flags: Flags,
  terminal: Terminal,
): Promise<void> {
  const client = await connect(flags, terminal)
  for (const username of usernames) {
    await client.credentials.revoke(username)
    if (flags.json !== true) await terminal.notes.write(`Credential ${username} is revoked.\n`)
  }
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ revoked: usernames })}\n`)
}

/** The password alone on stdout, so that a script can keep it. */
async function tell(
  credential: CredentialView & Pick<CreatedCredential, "password">,
  what: string,
  { json }: Flags,
  { notes, out }: Terminal,
): Promise<void> {
  if (json === true) {
    await out.write(`${JSON.stringify(credential)}\n`)
    return
  }
  const { username, permissions, disabled, certificate, password } = credential
  const list = (filters: readonly string[]): string => (filters.length === 0 ? "nothing" : filters.join(", "))
  await notes.write(
    `Credential ${username} ${what}: publishes ${list(permissions.publish)}; subscribes ${list(permissions.subscribe)}` +
      `${certificate === undefined ? "" : `; signs in by the certificate ${certificate.name}`}${disabled ? "; disabled" : ""}.\n`,
  )
  if (password === undefined) return
  await notes.write("Its password is shown this once:\n")
  await out.write(`${password}\n`)
}

/** What no flag names is left out. An empty filter stands for none. */
function permissionsOf({ publish, subscribe }: PermissionFlags): { readonly permissions?: Partial<Permissions> } {
  if (publish === undefined && subscribe === undefined) return {}
  const given = (filters: readonly string[]): string[] => filters.filter((filter) => filter !== "")
  return {
    permissions: {
      ...(publish === undefined ? {} : { publish: given(publish) }),
      ...(subscribe === undefined ? {} : { subscribe: given(subscribe) }),
    },
  }
}

const mostPasswordBytes = 2_048

/** Without the line break that editors and `echo` put behind it. */
async function passwordOf(file: string | undefined, { input, folder }: Terminal): Promise<string | undefined> {
  if (file === undefined) return undefined
  const bytes = file === "-" ? await all(input) : await readPasswordFile(resolve(folder, file))
  try {
    if (bytes.length > mostPasswordBytes) throw new Error("it is too long")
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "")
  } catch (cause) {
    throw usageError(
      `What ${file === "-" ? "stdin" : file} holds is no password: ${(cause as Error).message}`,
      "The file holds the password alone, as UTF-8.",
    )
  }
}

async function readPasswordFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw usageError(
      `Cannot read the password file ${path}: ${(cause as Error).message}`,
      "Name a file that this user may read.",
    )
  }
}

async function all(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of input) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > mostPasswordBytes) break
  }
  return Buffer.concat(pieces)
}
