/**
 * `brume dev`: a function that is deployed whenever its folder changes, and what it says, live.
 *
 * V1 What is wrong with the code is told and changes nothing: the version before goes on, and the next save is tried again.
 * V2 Where no node answers and none was named, one is started in a folder that is removed at the end.
 */
import { type FSWatcher, watch } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { hostname, tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { isFogError } from "@brume/core"
import { openNode, resolveConfig, systemAmbient } from "@brume/node"
import type { BrumeClient } from "@brume/sdk"
import { connect } from "../connection.ts"
import { tellFailure } from "../failure.ts"
import { readFunctionFolder } from "../functions/folder.ts"
import { Ended, type Terminal } from "../terminal.ts"
import { type DeployFlags, followLogs } from "./function.ts"

/** Editors save a file in several steps; the folder is read when it has been quiet for so long. ms. */
const quietMs = 80

export async function dev([given]: readonly [string], flags: DeployFlags, terminal: Terminal): Promise<void> {
  const { notes, signal } = terminal
  const folder = resolve(terminal.folder, given)
  // Said first: a folder that cannot be deployed at all is not worth a node.
  const { name } = await readFunctionFolder(folder, folder).catch((error: unknown) => {
    if (isFogError(error, "function_unloadable")) return { name: undefined }
    throw error
  })
  const tell = (text: string): void => void notes.write(`${notes.paint.dim(text)}\n`)
  await using session = await openSession(flags, terminal, tell)
  const { client } = session
  const changes = new Changes()
  await using _watching = watchFolder(folder, changes)
  tell(`Watching ${folder}; Ctrl-C ends it.`)
  let following: Promise<void> | undefined
  const follow = (which: string): void => {
    following ??= followLogs(client, which, { flags, terminal, limit: 0 }).catch(async (error: unknown) => {
      if (!isFogError(error)) throw error
      await tellFailure(error, terminal, false)
      // The next deployment begins anew.
      following = undefined
    })
  }
  signal.addEventListener("abort", () => changes.wake(), { once: true })
  if (name !== undefined) tell(`The function is ${name}: brume invoke ${name}${session.access}`)
  while (!signal.aborted) {
    changes.take()
    const deployed = await deployAgain(client, folder, { flags, terminal })
    if (deployed !== undefined) follow(deployed)
    await changes.next(signal)
  }
  await following
  if (signal.reason instanceof Ended && signal.reason.exitCode !== 130) throw signal.reason
}

interface At {
  readonly flags: DeployFlags
  readonly terminal: Terminal
}

/** Resolves to the function's name; undefined where it was told why not (V1). */
async function deployAgain(client: BrumeClient, folder: string, { flags, terminal }: At): Promise<string | undefined> {
  const { notes } = terminal
  const begun = performance.now()
  try {
    const { name, document, files } = await readFunctionFolder(folder, folder)
    const accept = flags.acceptUnsandboxed === true ? { acceptUnsandboxed: true } : {}
    const { version, change } = await client.functions.deploy(name, { document, files, ...accept })
    const tookMs = Math.round(performance.now() - begun)
    if (change !== "unchanged")
      await notes.write(`${notes.paint.cyan(`version ${version}`)} is in force after ${tookMs} ms\n`)
    return name
  } catch (error) {
    if (!isFogError(error)) throw error
    await tellFailure(error, terminal, false)
    return undefined
  }
}

/** That something has changed, and when it has become quiet. */
class Changes {
  #isChanged = false
  #wake: () => void = () => {}

  changed(): void {
    this.#isChanged = true
    this.#wake()
  }

  wake(): void {
    this.#wake()
  }

  take(): void {
    this.#isChanged = false
  }

  async next(signal: AbortSignal): Promise<void> {
    while (!this.#isChanged && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    await new Promise<void>((resolve) => setTimeout(resolve, signal.aborted ? 0 : quietMs))
  }
}

function watchFolder(folder: string, changes: Changes): AsyncDisposable {
  const watcher: FSWatcher = watch(folder, { recursive: true }, (_event, path) => {
    if (path === null || !/(^|[/\\])(node_modules|__pycache__|\.)/.test(path)) changes.changed()
  })
  // A folder that goes away is told by the next deployment.
  watcher.on("error", () => changes.changed())
  return { [Symbol.asyncDispose]: async () => watcher.close() }
}

interface Session extends AsyncDisposable {
  readonly client: BrumeClient
  /** Flags that lead another command to the same node. */
  readonly access: string
}

/** V2 */
async function openSession(flags: DeployFlags, terminal: Terminal, tell: (text: string) => void): Promise<Session> {
  const client = await connect(flags, terminal)
  const isNamed = flags.url !== undefined || Boolean(terminal.environment.BRUME_URL)
  try {
    await client.status({ signal: terminal.signal })
    return {
      client,
      access: flags.url === undefined ? "" : ` --url ${flags.url}`,
      [Symbol.asyncDispose]: async () => {},
    }
  } catch (error) {
    if (isNamed || !isFogError(error, "node_unreachable")) throw error
  }
  const data = await mkdtemp(join(tmpdir(), "brume-dev-"))
  const remove = (): Promise<void> => rm(data, { recursive: true, force: true })
  try {
    const values = { "store.path": data, "api.listen": "127.0.0.1:0", "logger.level": "warn" }
    const settings = Object.entries(values).map(([key, value]) => ({ flag: "--set", key, value }))
    const surroundings = { environment: {}, workingFolder: data, hostName: hostname(), readFile }
    const { config } = await resolveConfig({ flags: settings }, surroundings)
    const node = await openNode(config, systemAmbient())
    const tokenFile = join(data, "admin-token")
    tell(`No node answers, so one runs here until the end: ${node.url}`)
    return {
      client: await connect({ url: node.url, tokenFile }, terminal),
      access: ` --url ${node.url} --token-file ${tokenFile}`,
      async [Symbol.asyncDispose]() {
        await node.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}
