/**
 * Which node a command talks to, and with which token.
 *
 * The token comes from the first of: `--token`, `--token-file`, BRUME_TOKEN, BRUME_TOKEN_FILE, and, only for a node on
 * this machine, the `admin-token` of the data folder that was named, or of those in which `brume up` and `brume demo`
 * keep their data by default. A token of this machine is never sent to another one unasked.
 */
import { readFile, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { FogError } from "@brume/core"
import type { BrumeClient } from "@brume/sdk"
import type { Terminal } from "./terminal.ts"

export interface ConnectionFlags {
  readonly url?: string
  readonly token?: string
  readonly tokenFile?: string
  /** Data folder of the node that is meant, where a command has it. */
  readonly data?: string
}

/** Where `brume up` keeps its data when nothing says otherwise, below the working folder. */
export const defaultDataFolder = ".brume/node"
/** The same for `brume demo`. */
export const demoDataFolder = ".brume/demo"
export const defaultUrl = "http://127.0.0.1:7777"

export interface FoundToken {
  readonly secret: string
  /** For messages: which flag, variable or file it came from. */
  readonly origin: string
}

export function urlOf(flags: ConnectionFlags, { environment }: Terminal): string {
  return flags.url ?? (environment.BRUME_URL || defaultUrl)
}

/** @param retry attempts in all; a person rather hears at once that nobody answers */
export async function connect(flags: ConnectionFlags, terminal: Terminal, retry = 1): Promise<BrumeClient> {
  const url = urlOf(flags, terminal)
  const token = await findToken(flags, terminal)
  const { createClient } = await import("@brume/sdk")
  return createClient({ url, ...(token === undefined ? {} : { token: token.secret }), retry: { maxAttempts: retry } })
}

export async function findToken(flags: ConnectionFlags, terminal: Terminal): Promise<FoundToken | undefined> {
  const { environment, folder } = terminal
  if (flags.token !== undefined) return checked({ secret: flags.token.trim(), origin: "--token" })
  if (flags.tokenFile !== undefined) return await fromFile(resolve(folder, flags.tokenFile), "--token-file")
  if (environment.BRUME_TOKEN) return checked({ secret: environment.BRUME_TOKEN.trim(), origin: "BRUME_TOKEN" })
  if (environment.BRUME_TOKEN_FILE) {
    return await fromFile(resolve(folder, environment.BRUME_TOKEN_FILE), "BRUME_TOKEN_FILE")
  }
  if (!isThisMachine(urlOf(flags, terminal))) return undefined
  const named = flags.data === undefined ? undefined : join(resolve(folder, flags.data), "admin-token")
  if (named !== undefined && (await exists(named))) return await fromFile(named, "--data")
  return await fromDefaultFolders(folder)
}

/** The folder whose node runs now is taken before one whose node does not. */
async function fromDefaultFolders(folder: string): Promise<FoundToken | undefined> {
  const found: { readonly path: string; readonly isRunning: boolean }[] = []
  for (const data of [defaultDataFolder, demoDataFolder]) {
    const path = join(folder, data, "admin-token")
    if (await exists(path)) found.push({ path, isRunning: await exists(join(folder, data, "lock")) })
  }
  const chosen = found.find(({ isRunning }) => isRunning) ?? found[0]
  return chosen === undefined ? undefined : await fromFile(chosen.path, "the default data folder")
}

async function fromFile(path: string, origin: string): Promise<FoundToken> {
  let text: string
  try {
    text = await readFile(path, "utf8")
  } catch (cause) {
    throw new FogError("usage", {
      message: `Cannot read the token file ${path} (${origin}): ${(cause as Error).message}`,
      hint: "The first token of a node is in the file admin-token of its data folder, readable by its owner alone.",
      cause,
    })
  }
  return checked({ secret: text.trim(), origin: path })
}

/** A header carries printable ASCII alone; anything else is a wrong file or a bad copy. */
function checked(token: FoundToken): FoundToken {
  if (/^[\x21-\x7e]+$/.test(token.secret)) return token
  throw new FogError("usage", {
    message: `What ${token.origin} holds is no token: ${token.secret === "" ? "it is empty" : "it has other characters than a token"}`,
    hint: "A token looks like brume_k7f3a9_… and stands alone on its line.",
  })
}

function isThisMachine(url: string): boolean {
  const host = URL.canParse(url) ? new URL(url).hostname : ""
  return host === "localhost" || host === "[::1]" || /^127\./.test(host)
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
