/** A real node as a child process, driven through its public doors only. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const cli = fileURLToPath(new URL("../../packages/cli/bin/brume.cjs", import.meta.url))

export interface NodeProcess extends AsyncDisposable {
  readonly url: string
  /** Where it listens for MQTT, or undefined. */
  readonly mqttPort: number | undefined
  /** Where it listens for MQTT over TLS. */
  readonly mqttsPort: number | undefined
  readonly token: string
  readonly child: ChildProcess
  /** What it wrote to stderr so far. */
  readonly log: () => string
  /** Sends the signal and waits for the end; resolves to the exit code, or null when the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
  request(path: string, init?: RequestInit): Promise<Response>
  /** Rows of a statement; throws with the problem's text. */
  sql<Row = Record<string, unknown>>(statement: string): Promise<Row[]>
}

export interface CommandEnd {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `brume …` to its end. */
export function runBrume(args: readonly string[], input?: string): Promise<CommandEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ["pipe", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, stdout, stderr }))
    child.stdin.end(input)
  })
}

/** The process alone, for those who do not wait until it is ready. */
export function spawnNode(folder: string, args: readonly string[] = []) {
  return spawn(process.execPath, [cli, "up", "--data", folder, "--http", "127.0.0.1:0", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  })
}

export async function startNode(folder: string, args: readonly string[] = []): Promise<NodeProcess> {
  const child = spawnNode(folder, args)
  let log = ""
  child.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-100_000)
  })
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  type Ready = Pick<NodeProcess, "url" | "mqttPort" | "mqttsPort">
  const { url, mqttPort, mqttsPort } = await new Promise<Ready>((resolve, reject) => {
    let stdout = ""
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString()
      const [line, url] = /^ready (http:\S+).* in \d+ ms$/m.exec(stdout) ?? []
      if (line === undefined || url === undefined) return
      const portOf = (scheme: string): number | undefined => {
        const port = new RegExp(` ${scheme}://\\S+:(\\d+)`).exec(line)?.[1]
        return port === undefined ? undefined : Number(port)
      }
      resolve({ url, mqttPort: portOf("mqtt"), mqttsPort: portOf("mqtts") })
    })
    child.once("close", (code) => reject(new Error(`brume up ended with ${code}\n${log}`)))
  })
  const token = (await readFile(join(folder, "admin-token"), "utf8")).trim()
  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    return ended
  }
  return {
    url,
    mqttPort,
    mqttsPort,
    token,
    child,
    log: () => log,
    end,
    request,
    sql: async <Row>(statement: string) => {
      const answer = await request("/v1/query", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sql: statement }),
      })
      if (!answer.ok) throw new Error(await answer.text())
      return ((await answer.json()) as { rows: Row[] }).rows
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) await end("SIGKILL")
    },
  }
}

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), "brume-test-"))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `check` holds; throws with `what` after the limit. */
export async function until(what: string, check: () => Promise<boolean> | boolean, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`)
    await sleep(50)
  }
}
