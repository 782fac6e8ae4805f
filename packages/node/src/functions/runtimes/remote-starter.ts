/**
 * Starts processes from a small process of our own, `runners/starter.cjs`: the node's event loop does not wait for forks.
 *
 * - H1 The streams of a process are sockets of an abstract address that the helper connects; a line with a secret names
 *   them. Others cannot claim one.
 * - H2 Nothing is sent to a process before the helper has let go of its sockets, so that it cannot read what is not for it.
 * - H3 The helper dies with the node, and what it started with the helper. Where it cannot run, the node starts by itself.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { createServer, type Server, type Socket } from "node:net"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type Command, directStarter, type Starter, type Starting } from "./starter.ts"

const helper = fileURLToPath(new URL("../../../runners/starter.cjs", import.meta.url))
const longestGreeting = 200
/** Connections that have not said whose they are. */
const mostStrangers = 256

interface Order {
  readonly starting: Starting
  readonly streams: Map<number, Socket>
  pid: number | undefined
  exit: { readonly code: number | undefined; readonly signal: string | undefined } | undefined
  isStarted: boolean
}

interface Heard {
  readonly id: number
  readonly pid?: number
  readonly failed?: string
  readonly isOver?: boolean
  readonly code?: number | string | null
  readonly signal?: string | null
}

/** `setpriv`: its path, where it is there. */
export function createRemoteStarter(setpriv: string | undefined): Starter {
  return process.platform === "linux" ? new RemoteStarter(setpriv) : directStarter
}

class RemoteStarter implements Starter {
  readonly #setpriv: string | undefined
  readonly #secret = randomBytes(16).toString("hex")
  readonly #orders = new Map<number, Order>()
  #opening: Promise<ChildProcess | undefined> | undefined
  #server: Server | undefined
  #strangers = 0
  #lastId = 0
  #isClosed = false

  constructor(setpriv: string | undefined) {
    this.#setpriv = setpriv
  }

  start(command: Command, starting: Starting): void {
    this.#opening ??= this.#open()
    void this.#opening.then((process) => {
      if (process === undefined) {
        directStarter.start(command, starting)
        return
      }
      const id = ++this.#lastId
      this.#orders.set(id, { starting, streams: new Map(), pid: undefined, exit: undefined, isStarted: false })
      process.stdin!.write(`${JSON.stringify({ id, ...command })}\n`)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const process = await this.#opening
    process?.kill("SIGKILL")
    this.#server?.close()
  }

  /** Resolves to nothing where that is not possible. */
  async #open(): Promise<ChildProcess | undefined> {
    const address = `\0brume-${randomBytes(12).toString("hex")}`
    const server = createServer((socket) => this.#greet(socket))
    const isListening = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(address, () => resolve(true))
    })
    if (!isListening) return undefined
    server.unref()
    this.#server?.close()
    this.#server = server
    const program = [process.execPath, "--max-old-space-size=64", helper]
    const words = this.#setpriv === undefined ? program : [this.#setpriv, "--pdeathsig", "KILL", "--", ...program]
    const child = spawn(words[0]!, words.slice(1), {
      cwd: "/",
      env: {},
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    })
    child.on("error", () => this.#lost())
    child.on("exit", () => this.#lost())
    child.stdin.on("error", () => {})
    createInterface({ input: child.stdout }).on("line", (line) => this.#hear(JSON.parse(line) as Heard))
    if (child.pid === undefined) return undefined
    child.stdin.write(`${JSON.stringify({ address, token: this.#secret })}\n`)
    return child
  }

  /** The first line says whose it is. */
  #greet(socket: Socket): void {
    socket.on("error", () => {})
    if (++this.#strangers > mostStrangers) {
      this.#strangers--
      socket.destroy()
      return
    }
    let bytes = Buffer.alloc(0)
    const leave = (): void => {
      this.#strangers--
      socket.off("data", listen).off("close", leave)
    }
    const listen = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk])
      const end = bytes.indexOf(10)
      if (end < 0 && bytes.length <= longestGreeting) return
      leave()
      const [secret, id, stream] = bytes.toString("latin1", 0, Math.max(end, 0)).split(" ")
      const order = secret === this.#secret ? this.#orders.get(Number(id)) : undefined
      if (order === undefined) {
        socket.destroy()
        return
      }
      socket.pause()
      if (bytes.length > end + 1) socket.unshift(bytes.subarray(end + 1))
      order.streams.set(Number(stream), socket)
      this.#begin(order)
    }
    socket.on("data", listen).on("close", leave)
  }

  #hear({ id, pid, failed, code, signal }: Heard): void {
    const order = this.#orders.get(id)
    if (order === undefined) return
    if (failed !== undefined) {
      this.#orders.delete(id)
      order.starting.onError(Object.assign(new Error(failed), { code }))
    } else if (pid !== undefined) {
      order.pid = pid
      this.#begin(order)
    } else {
      this.#orders.delete(id)
      order.exit = { code: typeof code === "number" ? code : undefined, signal: signal ?? undefined }
      if (order.isStarted) order.starting.onExit(order.exit.code, order.exit.signal)
      else this.#begin(order)
    }
  }

  #begin(order: Order): void {
    const { pid, starting, streams, exit } = order
    const [stdout, stderr, channel] = [streams.get(1), streams.get(2), streams.get(3)]
    if (pid === undefined || stdout === undefined || stderr === undefined || channel === undefined) return
    order.isStarted = true
    starting.onStart(pid, { channel, stdout, stderr })
    if (exit !== undefined) starting.onExit(exit.code, exit.signal)
  }

  /** The helper is gone, and everything that it started; the next start opens another. */
  #lost(): void {
    const orders = [...this.#orders.values()]
    this.#orders.clear()
    if (!this.#isClosed) this.#opening = undefined
    for (const { starting, isStarted } of orders) {
      if (isStarted) starting.onExit(undefined, "SIGKILL")
      else starting.onError(new Error("the process that starts others has ended"))
    }
  }
}
