/** The real Mosquitto, where it is installed: the foreign broker that most people have. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const places = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"]
const program = places.find((path) => existsSync(path))

/** Why tests with it are skipped, or undefined where they are not. */
export const withoutMosquitto = program === undefined ? "mosquitto is not installed" : undefined

export interface Mosquitto extends AsyncDisposable {
  readonly port: number
  /** Ends it without a chance to save anything. */
  kill(): Promise<void>
  /** Ends it as an operator would: it saves its sessions. */
  stop(): Promise<void>
  /** Starts it again where it was. */
  start(): Promise<void>
  readonly log: () => string
}

/** @param lines of its configuration, beside a listener on a free port and persistence */
export async function startMosquitto(lines: readonly string[] = ["allow_anonymous true"]): Promise<Mosquitto> {
  const folder = await mkdtemp(join(tmpdir(), "brume-mosquitto-"))
  const port = await freePort()
  const file = join(folder, "mosquitto.conf")
  const own = [`listener ${port} 127.0.0.1`, "persistence true", `persistence_location ${folder}/`, "user root"]
  await writeFile(file, [...own, "max_inflight_messages 0", "max_queued_messages 0", ...lines, ""].join("\n"))
  let child: ChildProcess | undefined
  let log = ""
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child
    child = undefined
    if (ending === undefined) return
    const ended = new Promise((resolve) => ending.once("close", resolve))
    ending.kill(signal)
    await ended
  }
  const start = async (): Promise<void> => {
    const started = spawn(program ?? "mosquitto", ["-c", file, "-v"], { stdio: ["ignore", "ignore", "pipe"] })
    child = started
    started.stderr.on("data", (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-100_000)
    })
    for (let turn = 0; !(await isListening(port)); turn++) {
      if (turn > 500 || started.exitCode !== null) throw new Error(`mosquitto does not listen:\n${log}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await start()
  return {
    port,
    start,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    log: () => log,
    [Symbol.asyncDispose]: async () => {
      await end("SIGKILL")
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => resolve(false))
  })
}
