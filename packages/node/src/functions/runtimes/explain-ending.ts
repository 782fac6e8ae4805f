/** Why a process ended, for people: what happened, and what they can do about it. */
import { FogError } from "@brume/core"
import type { Ending } from "./child.ts"

export interface Ended {
  readonly name: string
  readonly memoryMiB: number
  readonly ending: Ending
}

export function explainEnding({ name, memoryMiB, ending }: Ended): FogError {
  const { reason, code, signal, isMemory, lastWords, error } = ending
  if (error !== undefined)
    return new FogError("runtime_missing", {
      message: `Function ${name} cannot be started: ${error.message}`,
      hint: "Ask brume doctor what this machine lacks.",
      cause: error,
    })
  const details = { code: code ?? null, signal: signal ?? null, lastWords }
  const crash = (message: string, hint: string): FogError =>
    new FogError("function_crashed", { message: `Function ${name} ${message}`, hint, details })
  if (isMemory)
    return crash(
      `crashed: it reached its memory limit of ${memoryMiB} MiB`,
      "Hold less at once, or raise spec.limits.memoryMiB.",
    )
  if (reason !== undefined) return crash(`was stopped: ${reason}`, "Look into the function's log.")
  if (signal === "SIGKILL")
    return crash("was killed from outside", "Did the machine run out of memory? Its kernel's log (dmesg) would say so.")
  if (signal !== undefined)
    return crash(`crashed with ${signal}: ${lastLine(lastWords)}`, "Look into the function's log.")
  return crash(
    `ended its process with code ${code}: ${lastLine(lastWords)}`,
    "A function returns; it must not call process.exit or sys.exit.",
  )
}

function lastLine(words: string): string {
  return words.trim().split("\n").at(-1)?.slice(0, 200) || "it said nothing"
}
