/** The commands about documents: what people want of a node, as files. */
import type { Command } from "commander"
import { atNode, collect, type Lazily, verb } from "./program-parts.ts"

/** Kinds that have a noun of their own on the command line. */
const nouns = [
  { kind: "Rule", one: "rule", many: "rules" },
  { kind: "Function", one: "function", many: "functions" },
] as const

export function addDocuments(program: Command, lazily: Lazily): void {
  addApply(program, lazily)
  const load = async () => await import("./commands/documents.ts")
  for (const { kind, one, many } of nouns) {
    atNode(verb(program, "get").command(many))
      .alias(one)
      .description(`Lists ${many}.`)
      .action(lazily(async () => (await load()).getDocuments(kind)))
    atNode(verb(program, "describe").command(one))
      .description(`Shows a ${one}: what it says, and how it stands.`)
      .argument("<name>", `its name, as \`brume get ${many}\` shows it`)
      .action(lazily(async () => (await load()).describeDocument(kind)))
    atNode(verb(program, "delete").command(one))
      .description(`Deletes ${many}.`)
      .argument("<names...>", `their names, as \`brume get ${many}\` shows them`)
      .action(lazily(async () => (await load()).deleteDocuments(kind)))
  }
  atNode(verb(program, "get").command("documents"))
    .alias("document")
    .description("Lists documents of all kinds, also those that are not in force any more.")
    .option("--kind <kind>", "only documents of this kind, e.g. Rule")
    .action(lazily(async () => (await load()).getDocuments()))
}

function addApply(program: Command, lazily: Lazily): void {
  atNode(program.command("apply"))
    .summary("apply documents: rules, functions")
    .description(
      "Makes documents in files what is in force. All files are checked before anything is applied, and a node applies " +
        "all documents or none; what is in force already stays as it is.",
    )
    .requiredOption(
      "-f, --file <file>",
      "YAML or JSON file, folder of them, or - for stdin; as often as needed",
      collect,
    )
    .option("--dry-run", "only check, and show what would change")
    .addHelpText(
      "after",
      `
A file may have several documents, separated by lines of ---. Mistakes are shown with file and line; then the exit code
is 7.

Examples:
  brume apply -f rules.yaml
  brume apply -f site/ --dry-run
  cat rule.json | brume apply -f -`,
    )
    .action(lazily(async () => (await import("./commands/apply.ts")).apply))
}
