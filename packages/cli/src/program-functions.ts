/** The commands about functions, and the secrets that those may read. */
import type { Command } from "commander"
import { atNode, type Lazily, verb } from "./program-parts.ts"

export function addFunctions(program: Command, lazily: Lazily): void {
  atNode(program.command("deploy"))
    .summary("deploy a function")
    .description(
      "Bundles a function's folder and puts it in force when its code has loaded; what was before stays else.",
    )
    .argument("<dir>", "folder with a brume.yaml and its source")
    .option("--accept-unsandboxed", "let the code run although nothing keeps it apart from the node's machine")
    .addHelpText(
      "after",
      `
Examples:
  brume deploy ./cold-chain
  brume invoke cold-chain --data '{"device":"room-1","value":9.5}'
  brume logs cold-chain -f

How functions are written: docs/guide/functions.md`,
    )
    .action(lazily(async () => (await import("./commands/function.ts")).deploy))
  atNode(program.command("rollback"))
    .summary("put an earlier version of a function in force")
    .description("Puts an earlier version in force, its code and its document.")
    .argument("<name>", "the function")
    .option("--to <version>", "which one (default: the one before)")
    .action(lazily(async () => (await import("./commands/function.ts")).rollback))
  atNode(program.command("invoke"))
    .summary("call a function")
    .description("Calls a function and prints what it returns.")
    .argument("<name>", "the function")
    .option("--data <json>", "the event; - reads it from stdin (default: null)")
    .option("--timeout <span>", "wait no longer, e.g. 5s")
    .option("--key <key>", "the same key within ten minutes is the same call")
    .action(lazily(async () => (await import("./commands/function.ts")).invoke))
  atNode(program.command("logs"))
    .summary("show what a function says")
    .description("Shows the last lines of a function's log.")
    .argument("<name>", "the function")
    .option("-f, --follow", "go on with what it says, until Ctrl-C")
    .option("--lines <n>", "lines at first, at most 1000", "100")
    .action(lazily(async () => (await import("./commands/function.ts")).logs))
  atNode(program.command("dev"))
    .summary("work on a function with live reload")
    .description(
      "Deploys a function whenever a file of its folder changes, and shows what it says. Starts a node in a temporary folder where none is.",
    )
    .argument("<dir>", "folder with a brume.yaml and its source")
    .option("--accept-unsandboxed", "let the code run although nothing keeps it apart from the node's machine")
    .action(lazily(async () => (await import("./commands/dev.ts")).dev))
  addSecret(program, lazily)
}

/** Functions among what a node has. */
export function addFunctionNouns(program: Command, lazily: Lazily): void {
  const load = async () => await import("./commands/function.ts")
  atNode(verb(program, "get").command("functions"))
    .alias("function")
    .description("Lists functions with their state.")
    .action(lazily(async () => (await load()).getFunctions))
  atNode(verb(program, "describe").command("function"))
    .description("Shows a function: its state, versions, limits, triggers and last failures.")
    .argument("<name>", "the function")
    .action(lazily(async () => (await load()).describeFunction))
  atNode(verb(program, "delete").command("function"))
    .description("Deletes functions with their versions, their state and the events that wait for them.")
    .argument("<names...>", "as `brume get functions` shows them")
    .action(lazily(async () => (await load()).deleteFunctions))
}

function addSecret(program: Command, lazily: Lazily): void {
  const secret = program
    .command("secret")
    .summary("set, list and delete secrets of functions")
    .description("Keeps texts that functions may read by name, encrypted; nothing shows them again.")
  atNode(secret.command("set"))
    .description("Sets a secret. Its value is read from stdin.")
    .argument("<name>", "letters, digits, ., _ and -")
    .addHelpText(
      "after",
      `
Examples:
  brume secret set chat-token < token.txt
  printf %s "$TOKEN" | brume secret set chat-token`,
    )
    .action(lazily(async () => (await import("./commands/secret.ts")).setSecret))
  atNode(secret.command("list"))
    .description("Lists the names of secrets.")
    .action(lazily(async () => (await import("./commands/secret.ts")).listSecrets))
  atNode(secret.command("delete"))
    .description("Deletes secrets.")
    .argument("<names...>", "as `brume secret list` shows them")
    .action(lazily(async () => (await import("./commands/secret.ts")).deleteSecrets))
}
