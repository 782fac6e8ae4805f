/** Real servers as children of a benchmark: started on free loopback ports in temporary folders, gone afterwards. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export interface Server extends AsyncDisposable {
  readonly url: string
  /** Headers that authorise a request. */
  readonly headers: Readonly<Record<string, string>>
  readonly child: ChildProcess
  readonly folder: string
  /** What the node said when it was ready. */
  readonly readyLine: string
  /** From spawn to accepting, ms. */
  readonly readyMs: number
  /** Resident memory of the process, bytes. */
  residentBytes(): Promise<number>
  /** User and system time of the process so far, seconds. */
  cpuSeconds(): Promise<number>
  /** Ends the process and waits for it; the folder stays. */
  end(signal: NodeJS.Signals): Promise<void>
}

export const cli = fileURLToPath(new URL("../../packages/cli/bin/brume.cjs", import.meta.url))

/** A Brume node on `folder` (a new one when left out). `settings` are `--set key=value` pairs, `flags` further words. */
export async function startBrume(
  folder?: string,
  settings: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<Server> {
  const data = folder ?? (await mkdtemp(join(tmpdir(), "brume-bench-")))
  const started = performance.now()
  const child = spawn(
    process.execPath,
    [
      cli,
      "up",
      "--data",
      data,
      "--http",
      "127.0.0.1:0",
      ...flags,
      ...settings.flatMap((setting) => ["--set", setting]),
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  )
  let errors = ""
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000)
  })
  const readyLine = await new Promise<string>((resolve, reject) => {
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      const found = /ready http:.*(?=\n)/.exec(output)
      if (found !== null) resolve(found[0])
    })
    child.once("exit", (code) => reject(new Error(`brume up ended with ${code}: ${errors}`)))
  })
  const readyMs = performance.now() - started
  const url = /http:\S+/.exec(readyLine)?.[0] ?? ""
  const token = (await readFile(join(data, "admin-token"), "utf8")).trim()
  return serverOf({ url, headers: { authorization: `Bearer ${token}` }, child, folder: data, readyLine, readyMs })
}

export function influxIsInstalled(): boolean {
  return existsSync("/usr/bin/influxd")
}

/** InfluxDB 1.x with its defaults (TSI off, WAL fsync at once) and a database `bench`. */
export async function startInflux(): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), "influx-bench-"))
  const port = await freePort()
  const rpcPort = await freePort()
  await writeFile(
    join(folder, "influxdb.conf"),
    `reporting-disabled = true
bind-address = "127.0.0.1:${rpcPort}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:${port}"
  log-enabled = false
[monitor]
  store-enabled = false
`,
  )
  const started = performance.now()
  const child = spawn("/usr/bin/influxd", ["-config", join(folder, "influxdb.conf")], { stdio: "ignore" })
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 0; ; attempt++) {
    if (
      await fetch(`${url}/ping`).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      break
    if (attempt > 300) throw new Error("influxd did not start")
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const readyMs = performance.now() - started
  await fetch(`${url}/query?q=${encodeURIComponent("CREATE DATABASE bench")}`, { method: "POST" })
  return serverOf({ url, headers: {}, child, folder, readyLine: "", readyMs })
}

export function serverOf(
  facts: Pick<Server, "url" | "headers" | "child" | "folder" | "readyLine" | "readyMs">,
): Server {
  const { child, folder } = facts
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const procfs = (file: string): Promise<string> => readFile(`/proc/${child.pid}/${file}`, "utf8")
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await ended
  }
  return {
    ...facts,
    residentBytes: async () => Number(/VmRSS:\s+(\d+)/.exec(await procfs("status"))?.[1]) * 1024,
    cpuSeconds: () => cpuSecondsOf(child),
    end,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) await end("SIGKILL")
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** User and system time of a child so far, s. */
export async function cpuSecondsOf({ pid }: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
