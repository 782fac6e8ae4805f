/**
 * The `brume` command. Loads little: what a command needs is imported when it runs.
 *
 * M1 stdout carries results alone; everything else goes to stderr.
 * M2 The exit code follows from the registry of errors (exit-code.ts).
 */
import { CommanderError } from "commander"
import { createProgram, type Outcome } from "./program.ts"
import { systemTerminal, type Terminal } from "./terminal.ts"

/** How long a finished command may still be held by something that is open, e.g. an idle connection, ms. */
const lingerMs = 200

/** Runs the command as the purpose of this process. */
export async function main(argv: readonly string[]): Promise<void> {
  process.exitCode = await run(argv, systemTerminal())
  const leave = (): void => {
    // What is still on its way into a pipe is part of the result.
    if (process.stdout.writableLength === 0) process.exit()
    setTimeout(leave, lingerMs).unref()
  }
  setTimeout(leave, lingerMs).unref()
}

/** Runs a command to its end; resolves to its exit code, never rejects. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const outcome: Outcome = { exitCode: 0 }
  const isJson = argv.includes("--json")
  try {
    if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
      await terminal.out.write(`${(await import("./commands/version.ts")).ownVersion()}\n`)
      return 0
    }
    await createProgram(terminal, outcome).parseAsync([...argv], { from: "user" })
    return outcome.exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const { tellFailure } = await import("./failure.ts")
    const cause = error instanceof CommanderError ? await usageOf(error, argv) : error
    return await tellFailure(terminal.signal.aborted ? terminal.signal.reason : cause, terminal, isJson)
  }
}

/** Commander's own words, without its prefix; its suggestion becomes the hint. */
async function usageOf(error: CommanderError, argv: readonly string[]) {
  const { usageError } = await import("./failure.ts")
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n")
  const verb = argv.find((word) => !word.startsWith("-"))
  const help = `See brume ${verb === undefined || error.code === "commander.unknownCommand" ? "" : `${verb} `}--help.`
  // A group without a sub-command, such as a bare `brume get`.
  const message = error.code === "commander.help" ? "A command is missing" : first
  return usageError(message === "" ? "The command line is wrong" : message, [...rest.map(plain), help].join(" ").trim())
}

const plain = (suggestion: string): string => suggestion.replace(/^\((.*)\)$/, "$1").trim()
