/**
 * One child process with its socket: bytes in and out, what it printed, and how it ended. It knows frames, not calls.
 *
 * - C1 A child that breaks the protocol is stopped with the reason, and nothing of it is read any more.
 * - C2 What is sent in one turn of the event loop leaves in one write.
 * - C3 `stop` kills the whole process group at once: the code in it cannot be asked.
 * - C4 Its end is told once, after what it sent before.
 */
import { type ChildProcess, spawn } from "node:child_process"
import type { Socket } from "node:net"
import type { Readable } from "node:stream"
import type { Clock, Timer } from "@brume/core"
import { encodeFrames, FrameReader } from "./frames.ts"

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface Ending {
  /** Why we stopped it, where we did. */
  readonly reason: string | undefined
  readonly code: number | undefined
  readonly signal: string | undefined
  /** It ended because memory ran out. */
  readonly isMemory: boolean
  /** The last that it printed on stderr. */
  readonly lastWords: string
  /** The program could not be started at all. */
  readonly error?: Error
}

export interface ChildOwner {
  /** A frame, parsed; always an array that begins with a text. */
  onMessage(message: readonly unknown[], textLength: number): void
  /** Returns false when it is a flood. */
  onPrint(stream: "stdout" | "stderr", text: string): boolean
  onEnd(ending: Ending): void
}

const ownerless: ChildOwner = { onMessage: () => {}, onPrint: () => true, onEnd: () => {} }
/** Before a child has code it has little to say. */
const blankFrameBytes = 65_536
/** Bytes that wait for a child that does not read. */
const mostUnread = 64 * 2 ** 20
const lastWordsLength = 4_096
/** How long what a child sent last is waited for after its end, where a descendant holds the pipes. ms. */
const drainMs = 200
/** Signals with which interpreters end themselves. */
const ownSignals = new Set(["SIGABRT", "SIGTRAP", "SIGILL", "SIGSEGV"])
const memoryWords = /out of memory|Allocation failed|bad_alloc|MemoryError|[Cc]annot allocate memory/

export class Child {
  readonly pid: number | undefined
  /** Called when its process is gone, whoever owns it. */
  onGone: (() => void) | undefined
  readonly #process: ChildProcess
  readonly #socket: Socket
  readonly #reader = new FrameReader(blankFrameBytes)
  #owner: ChildOwner = ownerless
  #outgoing: string[] = []
  #reason: string | undefined
  #saysMemory = false
  #lastWords = ""
  #drain: Timer | undefined
  #ending: Ending | undefined

  constructor(command: Command, clock: Clock) {
    this.#process = spawn(command.file, command.args, {
      cwd: "/",
      env: command.environment,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      // A group of its own, for `stop`; and a terminal's Ctrl-C is not for it.
      detached: true,
    })
    this.pid = this.#process.pid
    this.#socket = this.#process.stdio[3] as Socket
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk))
    this.#socket.on("error", () => {})
    this.#socket.on("end", () => {
      this.#drain ??= clock.after(drainMs, () => this.stop("it closed its socket"))
    })
    this.#listen("stdout", this.#process.stdout!)
    this.#listen("stderr", this.#process.stderr!)
    this.#process.on("error", (error) => this.#end({ error }))
    this.#process.on("exit", (code, signal) => {
      // Descendants that are still there go with it.
      this.#killGroup()
      this.#drain?.cancel()
      this.#drain = clock.after(drainMs, () => this.#end({ code, signal }))
    })
    this.#process.on("close", (code, signal) => this.#end({ code, signal }))
  }

  get isAlive(): boolean {
    if (this.#ending !== undefined || this.#reason !== undefined) return false
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Hands the child over; an end that came before is told to the new owner. */
  own(owner: ChildOwner, frameBytes: number = blankFrameBytes): void {
    this.#owner = owner
    this.#reader.limit = frameBytes
    if (this.#ending !== undefined) owner.onEnd(this.#ending)
  }

  /** `text` is the JSON of one frame. */
  send(text: string): void {
    if (this.#outgoing.push(text) === 1) setImmediate(() => this.#flush())
  }

  /** Kills. The reason is the first that was given. */
  stop(reason: string): void {
    if (this.#reason !== undefined || this.#ending !== undefined) return
    this.#reason = reason
    this.#outgoing = []
    this.#killGroup()
  }

  #flush(): void {
    const texts = this.#outgoing
    this.#outgoing = []
    if (texts.length === 0 || this.#socket.destroyed) return
    this.#socket.write(encodeFrames(texts))
    if (this.#socket.writableLength > mostUnread) this.stop("it does not read what is sent to it")
  }

  #read(chunk: Buffer): void {
    if (this.#reason !== undefined) return
    const wrong = this.#reader.read(chunk, (text) => this.#take(text))
    if (wrong !== undefined) this.stop(`${wrong}, which breaks the protocol`)
  }

  #take(text: string): void {
    if (this.#reason !== undefined) return
    let message: unknown
    try {
      message = JSON.parse(text)
    } catch {
      message = undefined
    }
    if (!Array.isArray(message) || typeof message[0] !== "string") {
      this.stop("it sent a frame that is no message, which breaks the protocol")
    } else if (message[0] === "memory") this.#saysMemory = true
    else this.#owner.onMessage(message, text.length)
  }

  #listen(stream: "stdout" | "stderr", readable: Readable): void {
    readable.setEncoding("utf8")
    readable.on("error", () => {})
    readable.on("data", (text: string) => {
      if (this.#reason !== undefined) return
      if (stream === "stderr") this.#lastWords = (this.#lastWords + text).slice(-lastWordsLength)
      if (!this.#owner.onPrint(stream, text)) this.stop("it floods its log")
    })
  }

  #end(how: { readonly code?: number | null; readonly signal?: string | null; readonly error?: Error }): void {
    if (this.#ending !== undefined) return
    this.#drain?.cancel()
    this.#socket.destroy()
    this.#process.stdout?.destroy()
    this.#process.stderr?.destroy()
    const { code, signal } = plainEnd(how.code ?? undefined, how.signal ?? undefined)
    const isMemory =
      this.#saysMemory || (signal !== undefined && ownSignals.has(signal) && memoryWords.test(this.#lastWords))
    this.#ending = {
      reason: this.#reason,
      code,
      signal,
      isMemory: isMemory && this.#reason === undefined,
      lastWords: this.#lastWords,
      ...(how.error === undefined ? {} : { error: how.error }),
    }
    this.#owner.onEnd(this.#ending)
    this.onGone?.()
  }

  #killGroup(): void {
    if (this.pid === undefined) return
    try {
      process.kill(-this.pid, "SIGKILL")
    } catch {
      // Nobody is left, or this system has no groups.
      this.#process.kill("SIGKILL")
    }
  }
}

const signalNames: Readonly<Record<number, string>> = {
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
  31: "SIGSYS",
}

/** A sandbox answers for its child like a shell: 128 and the signal. */
function plainEnd(code: number | undefined, signal: string | undefined): Pick<Ending, "code" | "signal"> {
  const inner = code !== undefined && code > 128 ? signalNames[code - 128] : undefined
  return inner === undefined ? { code, signal } : { code: undefined, signal: inner }
}
