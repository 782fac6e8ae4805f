/** The commands that tell devices what to do, and what they should be. */
import { type Command, Option } from "commander"
import { atNode, collect, type Lazily } from "./program-parts.ts"

export function addCommands(program: Command, lazily: Lazily): void {
  addCommand(program, lazily)
  addTwin(program, lazily)
}

function addCommand(program: Command, lazily: Lazily): void {
  atNode(program.command("command"))
    .summary("send a command to a device")
    .description(
      "Sends a command to a device, waits for its outcome and prints what the device answered. Ends with 0 when it was done, " +
        "8 when it certainly was not, 6 when the device could not be reached in time, and 9 when nobody knows.",
    )
    .argument("<device>", "the device's name, e.g. hall/pump")
    .argument("<name>", "the command, e.g. start")
    .argument("[input]", "its input as JSON; what is no JSON is a text (default: null)")
    .option("--deadline <span>", "how long an answer is awaited, e.g. 30s", "10s")
    .option("--retries <n>", "how often it is sent again while the device says nothing", "0")
    .option("--key <key>", "the same key is the same command: it is sent once, and its outcome is told again")
    .option("--no-wait", "end as soon as it is durable on the node and on its way; prints its id")
    .addHelpText(
      "after",
      `
Examples:
  brume command hall/pump start '{"speed": 3}'
  brume command gate open --deadline 30s --retries 2 --key "$(date -I)"
  brume get commands --state in-doubt

How devices take commands: docs/guide/commands.md`,
    )
    .action(lazily(async () => (await import("./commands/command.ts")).sendCommand))
}

function addTwin(program: Command, lazily: Lazily): void {
  const twin = program
    .command("twin")
    .summary("show and change what devices should be")
    .description("Shows and changes twins: what a device should be, and what it says it is.")
  atNode(twin.command("get"))
    .description("Shows what is desired of a device, what it has reported, and what they differ in.")
    .argument("<device>", "the device's name")
    .action(lazily(async () => (await import("./commands/twin.ts")).getTwin))
  atNode(twin.command("set"))
    .description("Changes what is desired of a device: members are merged, null removes one.")
    .argument("<device>", "the device's name")
    .argument("<patch>", "JSON, e.g. '{\"speed\": 3}'")
    .option("--if-version <n>", "only if this version of what is desired is in force")
    .action(lazily(async () => (await import("./commands/twin.ts")).setTwin))
}

export function addGetCommands(get: Command, lazily: Lazily): void {
  atNode(get.command("commands"))
    .alias("command")
    .description("Lists commands to devices, the newest first.")
    .option("--device <filter>", "only of devices that fit, as often as needed", collect)
    .addOption(
      new Option("--state <state>", "only those in this state").choices(["pending", "done", "failed", "in-doubt"]),
    )
    .option("--count <n>", "no more than this many", "100")
    .action(lazily(async () => (await import("./commands/command.ts")).getCommands))
}

export function addDescribeCommand(describe: Command, lazily: Lazily): void {
  atNode(describe.command("command"))
    .description("Shows a command: what was asked, when, and what became of it.")
    .argument("<id>", "its id, as `brume get commands` shows it")
    .action(lazily(async () => (await import("./commands/command.ts")).describeCommand))
}
