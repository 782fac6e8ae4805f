/** How a command says that it failed: for people with a hint, for programs as a problem body. */
import { FogError, isFogError, toProblem } from "@brume/core"
import { type ExitCode, exitCodeOf } from "./exit-code.ts"
import { Ended, type Terminal } from "./terminal.ts"

/** Writes the error to stderr; resolves to the exit code. */
export async function tellFailure(error: unknown, terminal: Terminal, isJson: boolean): Promise<number> {
  if (error instanceof Ended) return error.exitCode
  const known = isFogError(error) ? error : faultOf(error)
  if (isJson) await terminal.notes.write(`${JSON.stringify(toProblem(known))}\n`)
  else await terminal.notes.write(textOf(known, terminal))
  return exitCodeOf(known.code) satisfies ExitCode
}

function textOf(error: FogError, { notes: { paint } }: Terminal): string {
  const lines = [`${paint.red("error")} ${paint.dim(`[${error.code}]`)} ${error.message}`]
  // Where the code of a function failed, in its author's own files.
  const stack = error.details?.stack
  if (typeof stack === "string") lines.push(paint.dim(stack))
  if (error.hint !== undefined) lines.push(`${paint.cyan("hint")}  ${error.hint}`)
  // A fault of the program: the stack is what a report needs.
  if (error.code === "internal" && error.cause instanceof Error) lines.push(paint.dim(String(error.cause.stack)))
  return `${lines.join("\n")}\n`
}

function faultOf(error: unknown): FogError {
  return new FogError("internal", {
    message: `A fault of Brume: ${error instanceof Error ? error.message : String(error)}`,
    hint: "Please report it with the lines below.",
    cause: error,
  })
}

export function usageError(message: string, hint: string): FogError {
  return new FogError("usage", { message, hint })
}
