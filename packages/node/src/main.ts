/**
 * A node as the purpose of its process: signals, the ready line, the last words.
 *
 * - P1 stdout carries one line, when the node accepts: `ready http://127.0.0.1:7777 mqtt://127.0.0.1:1883 in 412 ms`,
 *   with all addresses where it listens. All else goes to stderr.
 * - P2 SIGINT or SIGTERM closes the node and ends with code 0; within `closeLimitMs`, or with code 1. A second one ends
 *   the process at once: what was acknowledged is on disk already. SIGHUP changes nothing.
 * - P3 A fault of the program (an uncaught error) is logged once with all its causes and ends the process with code 70,
 *   after an attempt to close: its state is unknown, and a supervisor starts it anew.
 * - P4 A reader of stdout or stderr that goes away does not take the node with it.
 */
import type { Closeable, Logger } from "@brume/core"
import { type Ambient, systemAmbient } from "./ambient/ambient.ts"
import type { MadeAdmin } from "./auth/auth.ts"
import type { Config } from "./config/schema.ts"
import type { Node } from "./node.ts"
import { createNodeLogger } from "./node-logger.ts"
import { openNode } from "./rooms.ts"
import { holdYoungGeneration } from "./young-generation.ts"

export interface RunOptions {
  /** Makes a new admin token in place of the one that the node made before. */
  readonly resetAdminToken?: boolean
  /** Opened when the node is ready, closed before it: what runs beside it, such as simulated devices. */
  readonly beside?: (node: Node) => Promise<Closeable>
}

/** The process, as far as running a node concerns it. A test hands in its own. */
export interface Host {
  readonly ambient: Ambient
  /** Signals, `uncaughtException` and `unhandledRejection`. */
  on(event: string, listener: (reason: unknown) => void): void
  off(event: string, listener: (reason: unknown) => void): void
  writeResult(text: string): void
  writeNotice(text: string): void
  /** ms since the process started. */
  age(): number
  exit(code: number): void
  /** Until it is called back, the process waits also where only timers are left, which alone do not keep it alive. */
  stayAlive(): () => void
  /** Holds memory back until it is called back; for the start. */
  startFrugally(): () => void
}

/** A clean close takes less than a second; what takes longer than this hangs. ms. */
const closeLimitMs = 5_000
/** How long a broken process may try to close. ms. */
const faultLimitMs = 1_000
/** EX_SOFTWARE of sysexits.h. */
const faultCode = 70
/** 128 + the signal's number, as shells have it. */
const endedBy = { SIGINT: 130, SIGTERM: 143 } as const

/** Runs a node until a signal ends it; resolves to the exit code. Rejects when it cannot be opened. */
export async function runNode(config: Config, options: RunOptions = {}, host: Host = systemHost()): Promise<number> {
  const { ambient } = host
  const logger = createNodeLogger(config, ambient)
  const opened: Closeable[] = []
  const watch = watchProcess(host, logger, () => closeAll(opened))
  const release = host.stayAlive()
  const letGrow = host.startFrugally()
  try {
    const { resetAdminToken = false, beside } = options
    const node = await openNode(config, ambient, { logger, resetAdminToken }).finally(letGrow)
    opened.push(node)
    if (node.madeAdmin !== undefined) host.writeNotice(adminNotice(node.madeAdmin))
    if (!watch.isEnding()) {
      host.writeResult(`ready ${[node.url, ...node.mqttUrls].join(" ")} in ${Math.round(host.age())} ms\n`)
      if (beside !== undefined) opened.push(await beside(node))
    }
    const signal = await watch.ending
    logger.info("The node stops", { signal })
    const limit = ambient.clock.after(closeLimitMs, () => {
      logger.error("The node did not close in time and is ended", { limitMs: closeLimitMs })
      host.exit(1)
    })
    await closeAll(opened)
    limit.cancel()
    return 0
  } catch (error) {
    await closeAll(opened)
    throw error
  } finally {
    watch.stop()
    release()
  }
}

interface Watch {
  /** The first signal that asks for an end. */
  readonly ending: Promise<string>
  isEnding(): boolean
  stop(): void
}

/** @param close closes what is open; for a broken process. */
function watchProcess(host: Host, logger: Logger, close: () => Promise<void>): Watch {
  let first: string | undefined
  let isBroken = false
  let resolveEnding: (signal: string) => void
  const ending = new Promise<string>((resolve) => {
    resolveEnding = resolve
  })

  const onSignal = (signal: "SIGINT" | "SIGTERM") => {
    if (first !== undefined) host.exit(endedBy[signal])
    first ??= signal
    resolveEnding(signal)
  }
  const onFault = (error: unknown) => {
    // One fault often causes others; the first one tells.
    if (isBroken) return
    isBroken = true
    logger.error("A fault of the program ends the node", { error })
    const exit = () => host.exit(faultCode)
    host.ambient.clock.after(faultLimitMs, exit)
    close().then(exit, exit)
  }
  const listeners: readonly (readonly [event: string, listener: (reason: unknown) => void])[] = [
    ["SIGINT", () => onSignal("SIGINT")],
    ["SIGTERM", () => onSignal("SIGTERM")],
    ["SIGHUP", () => {}],
    ["uncaughtException", onFault],
    ["unhandledRejection", onFault],
  ]
  for (const [event, listener] of listeners) host.on(event, listener)
  return {
    ending,
    isEnding: () => first !== undefined,
    stop() {
      for (const [event, listener] of listeners) host.off(event, listener)
    },
  }
}

/** Last opened, first closed. */
async function closeAll(opened: readonly Closeable[]): Promise<void> {
  for (const one of opened.toReversed()) await one.close()
}

function adminNotice({ secret, path }: MadeAdmin): string {
  return `Admin token, shown this once: ${secret.reveal()}\nIt is kept in ${path}, readable by this user alone.\n`
}

function systemHost(): Host {
  // P4: a write to a closed pipe is an event, which would end the process if nobody listened.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
  return {
    ambient: systemAmbient(),
    on: (event, listener) => void process.on(event, listener),
    off: (event, listener) => void process.off(event, listener),
    writeResult: (text) => void process.stdout.write(text),
    writeNotice: (text) => void process.stderr.write(text),
    age: () => performance.now(),
    exit: (code) => process.exit(code),
    stayAlive: () => {
      const timer = setInterval(() => {}, 2 ** 31 - 1)
      return () => clearInterval(timer)
    },
    startFrugally: holdYoungGeneration,
  }
}
