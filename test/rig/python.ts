/** The machine's own Python: programs, unit tests and servers, with the package brume from this repository. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { until } from "./node-process.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Debian's, which has the packages of apt; never another one that PATH happens to name. */
export const python = "/usr/bin/python3"
export const pythonEnvironment = {
  ...process.env,
  PYTHONPATH: `${root}python/src`,
  PYTHONDONTWRITEBYTECODE: "1",
  BRUME_TEST_NODE: process.execPath,
}

/** Why tests with Python, or with one of its packages, are skipped; undefined where they are not. */
export function withoutPython(module = "sys", debianPackage = ""): string | undefined {
  const { error, status } = spawnSync(python, ["-I", "-c", `import ${module}`])
  if (error !== undefined) return `there is no ${python}: apt-get install python3`
  return status === 0 ? undefined : `${module} is not installed for ${python}: apt-get install ${debianPackage}`
}

export interface PythonEnd {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export function runPython(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<PythonEnd> {
  const { cwd = root, env = {}, timeoutMs = 120_000 } = options
  return new Promise((resolve) => {
    const child = execFile(
      python,
      [...args],
      { cwd, env: { ...pythonEnvironment, ...env }, timeout: timeoutMs, maxBuffer: 16_777_216 },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

/** Runs one module of python/tests; throws with what unittest said. Resolves to the reasons of what was skipped. */
export async function runUnittest(module: string): Promise<string[]> {
  const args = ["-W", "error::ResourceWarning", "-m", "unittest", "-v", module]
  const { code, stderr } = await runPython(args, { cwd: `${root}python/tests`, timeoutMs: 240_000 })
  const ran = Number(/^Ran (\d+) tests?/m.exec(stderr)?.[1] ?? 0)
  const skipped = [...stderr.matchAll(/ skipped ['"](.*)['"]$/gm)].map(([, reason]) => reason ?? "")
  if (code !== 0 || ran + skipped.length === 0 || /^Exception ignored in/m.test(stderr)) {
    throw new Error(`${module} ended with ${code}\n${stderr}`)
  }
  return skipped
}

export interface PythonServer extends AsyncDisposable {
  readonly url: string
  readonly child: ChildProcess
  readonly log: () => string
}

/** Starts a web server and waits until it answers at all. @param args get the port that it listens on */
export async function startPythonServer(
  args: (port: number) => readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; port?: number },
): Promise<PythonServer> {
  const port = options.port ?? (await freePort())
  const child = spawn(python, [...args(port)], {
    cwd: options.cwd,
    env: { ...pythonEnvironment, PORT: String(port), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let log = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (piece: Buffer) => {
      log = (log + piece.toString()).slice(-100_000)
    })
  }
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  const url = `http://127.0.0.1:${port}`
  await until("the server answers", async () => {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}\n${log}`)
    return await fetch(`${url}/`).then(
      (answer) => answer.text().then(() => true),
      () => false,
    )
  })
  return {
    url,
    child,
    log: () => log,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await ended
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
}
