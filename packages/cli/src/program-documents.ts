/** The commands about documents: what people want of a node, as files. */
import type { Command } from "commander"
import { atNode, collect, type Lazily, verb } from "./program-parts.ts"

/** Kinds that have a noun of their own on the command line. */
const nouns = [{ kind: "Rule", one: "rule", many: "rules" }] as const

export function addDocuments(program: Command, lazily: Lazily): void {
  addApply(program, lazily)
  addTestRule(program, lazily)
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

function addTestRule(program: Command, lazily: Lazily): void {
  atNode(program.command("test-rule"))
    .summary("show when a rule would have fired")
    .description(
      "Runs the rules of a file, which need not be applied, against the readings that a node has stored, and shows when " +
        "they would have fired and what they would have done. Nothing is performed.",
    )
    .argument("<file>", "YAML or JSON file with rules, or - for stdin")
    .option("--from <time>", "from this time on, or so long ago, e.g. 7d (default: a day before --to)")
    .option("--to <time>", "before this time, or so long ago (default: now)")
    .option("--limit <n>", "list at most so many firings; all are counted (default: 100)")
    .option("--received", "readings come when the node received them, late ones too; not when devices measured them")
    .addHelpText(
      "after",
      `
Examples:
  brume test-rule rules/too-warm.yaml --from 7d
  brume test-rule rule.yaml --from 2026-03-01 --to 2026-03-02 --json`,
    )
    .action(lazily(async () => (await import("./commands/test-rule.ts")).testRule))
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
