/**
 * One child process with its socket: bytes in and out, what it printed, and how it ended. It knows frames, not calls.
 *
 * - C1 A child that breaks the protocol is stopped with the reason, and nothing of it is read any more.
 * - C2 What is sent in one turn of the event loop leaves in one write.
 * - C3 `stop` kills the whole process group, at once or as soon as it runs: the code in it cannot be asked.
 * - C4 Its end is told once, after what it sent before.
 */
import type { Duplex, Readable } from "node:stream"
import type { Clock, Timer } from "@brume/core"
import { encodeFrames, FrameReader } from "./frames.ts"
import type { Command, Starter, Streams } from "./starter.ts"

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
  /** Called when its process is gone, whoever owns it. */
  onGone: (() => void) | undefined
  readonly #reader = new FrameReader(blankFrameBytes)
  readonly #clock: Clock
  #owner: ChildOwner = ownerless
  #pid: number | undefined
  #streams: Streams | undefined
  readonly #openStreams = new Set<Readable>()
  #outgoing: string[] = []
  #reason: string | undefined
  #saysMemory = false
  #lastWords = ""
  #exit: { readonly code: number | undefined; readonly signal: string | undefined } | undefined
  #drain: Timer | undefined
  #ending: Ending | undefined

  constructor(command: Command, clock: Clock, starter: Starter) {
    this.#clock = clock
    starter.start(command, {
      onStart: (pid, streams) => this.#started(pid, streams),
      onExit: (code, signal) => this.#exited(code, signal),
      onError: (error) => this.#end(error),
    })
  }

  /** Known once it runs. */
  get pid(): number | undefined {
    return this.#pid
  }

  get isAlive(): boolean {
    return this.#ending === undefined && this.#reason === undefined && this.#exit === undefined
  }

  /** Hands the child over; an end that came before is told to the new owner. */
  own(owner: ChildOwner, frameBytes: number = blankFrameBytes): void {
    this.#owner = owner
    this.#reader.limit = frameBytes
    if (this.#ending !== undefined) owner.onEnd(this.#ending)
  }

  /** `text` is the JSON of one frame. */
  send(text: string): void {
    if (this.#outgoing.push(text) === 1 && this.#streams !== undefined) setImmediate(() => this.#flush())
  }

  /** Kills. The reason is the first that was given. */
  stop(reason: string): void {
    if (this.#reason !== undefined || this.#ending !== undefined) return
    this.#reason = reason
    this.#outgoing = []
    this.#killGroup()
  }

  #started(pid: number, streams: Streams): void {
    this.#pid = pid
    this.#streams = streams
    if (this.#reason !== undefined) this.#killGroup()
    const { channel, stdout, stderr } = streams
    for (const stream of streamsOf(streams)) this.#openStreams.add(stream)
    channel.on("data", (chunk: Buffer) => this.#read(chunk))
    channel.on("end", () => this.#closed(channel))
    this.#listen("stdout", stdout)
    this.#listen("stderr", stderr)
    for (const stream of streamsOf(streams)) {
      stream.on("error", () => {})
      // It may have come and gone while the others were waited for.
      if (stream.destroyed) this.#closed(stream)
      else stream.on("close", () => this.#closed(stream)).resume()
    }
    if (this.#outgoing.length > 0) this.#flush()
  }

  #exited(code: number | undefined, signal: string | undefined): void {
    this.#exit = { code, signal }
    // Descendants that are still there go with it.
    this.#killGroup()
    this.#drain?.cancel()
    this.#drain = this.#clock.after(drainMs, () => this.#end())
    this.#endWhenRead()
  }

  /** A stream has ended. Without its channel a process is of no use. */
  #closed(stream: Readable): void {
    this.#openStreams.delete(stream)
    if (stream === this.#streams?.channel && this.#exit === undefined)
      this.#drain ??= this.#clock.after(drainMs, () => this.stop("it closed its socket"))
    this.#endWhenRead()
  }

  #endWhenRead(): void {
    if (this.#exit !== undefined && this.#openStreams.size === 0) this.#end()
  }

  #flush(): void {
    const texts = this.#outgoing
    this.#outgoing = []
    const channel = this.#streams?.channel
    if (texts.length === 0 || channel === undefined || channel.destroyed) return
    channel.write(encodeFrames(texts))
    if (channel.writableLength > mostUnread) this.stop("it does not read what is sent to it")
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
    readable.on("data", (text: string) => {
      if (this.#reason !== undefined) return
      if (stream === "stderr") this.#lastWords = (this.#lastWords + text).slice(-lastWordsLength)
      if (!this.#owner.onPrint(stream, text)) this.stop("it floods its log")
    })
  }

  #end(error?: Error): void {
    if (this.#ending !== undefined) return
    this.#drain?.cancel()
    if (this.#streams !== undefined) for (const stream of streamsOf(this.#streams)) stream.destroy()
    const { code, signal } = plainEnd(this.#exit?.code, this.#exit?.signal)
    const isMemory =
      this.#saysMemory || (signal !== undefined && ownSignals.has(signal) && memoryWords.test(this.#lastWords))
    this.#ending = {
      reason: this.#reason,
      code,
      signal,
      isMemory: isMemory && this.#reason === undefined,
      lastWords: this.#lastWords,
      ...(error === undefined ? {} : { error }),
    }
    this.#owner.onEnd(this.#ending)
    this.onGone?.()
  }

  #killGroup(): void {
    if (this.#pid === undefined) return
    try {
      process.kill(process.platform === "win32" ? this.#pid : -this.#pid, "SIGKILL")
    } catch {
      // Nobody is left.
    }
  }
}

function streamsOf({ channel, stdout, stderr }: Streams): readonly [Duplex, Readable, Readable] {
  return [channel, stdout, stderr]
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
