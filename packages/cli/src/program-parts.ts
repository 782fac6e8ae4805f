/** What the parts of the tree of commands share. */
import type { Command } from "commander"
import type { Terminal } from "./terminal.ts"

/** Arguments in the order of the command line, then the flags. Resolves to an exit code; nothing means 0. */
export type Runner<Arguments extends readonly unknown[], Flags> = (
  args: Arguments,
  flags: Flags,
  terminal: Terminal,
) => Promise<number> | Promise<void>

/** An action that loads the command's module only when it runs. */
export type Lazily = <Arguments extends readonly unknown[], Flags>(
  load: () => Promise<Runner<Arguments, Flags>>,
) => (...given: unknown[]) => Promise<void>

/** For flags that may be given as often as needed. */
export const collect = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]

/** What every command that talks to a node understands. */
export function atNode(command: Command): Command {
  return command
    .option("--url <url>", "address of the node (default: BRUME_URL, else http://127.0.0.1:7777)")
    .option("--token-file <file>", "file with the token's secret (else BRUME_TOKEN, BRUME_TOKEN_FILE)")
    .option("--token <secret>", "the secret itself; other users of this machine can see it in the process list")
    .option("--json", "JSON on stdout and nothing else there; errors as a problem body on stderr")
}

/** The verb with this name, to which each part of the tree adds its nouns: `get`, `describe`, `delete`. */
export function verb(program: Command, name: string): Command {
  const found = program.commands.find((command) => command.name() === name)
  if (found === undefined) throw new Error(`There is no verb ${name} yet`)
  return found
}
