/** The commands about alarms and effects. */
import type { Command } from "commander"
import { atNode, type Lazily } from "./program-parts.ts"

export function addAlarm(program: Command, lazily: Lazily): void {
  const alarm = program
    .command("alarm")
    .summary("watch, acknowledge, silence and clear alarms")
    .description("Says what people do about alarms, and shows them as they come and go.")
  atNode(alarm.command("acknowledge"))
    .description("Says that somebody sees to alarms, until they are raised anew.")
    .argument("<ids...>", "their ids, as `brume get alarms` shows them")
    .option("--note <text>", "for those who look at them")
    .action(lazily(async () => (await import("./commands/alarm.ts")).acknowledgeAlarms))
  atNode(alarm.command("silence"))
    .description("Silences alarms for a while, whether they are raised or cleared meanwhile.")
    .argument("<ids...>", "their ids")
    .requiredOption("--for <span>", "for how long, e.g. 2h; at most 366d")
    .option("--note <text>", "why")
    .addHelpText(
      "after",
      `
Examples:
  brume alarm silence too-warm@cold/room-1 --for 2h --note "the door is being repaired"`,
    )
    .action(lazily(async () => (await import("./commands/alarm.ts")).silenceAlarms))
  atNode(alarm.command("unsilence"))
    .description("Ends a silence.")
    .argument("<ids...>", "their ids")
    .option("--note <text>", "why")
    .action(lazily(async () => (await import("./commands/alarm.ts")).unsilenceAlarms))
  atNode(alarm.command("clear"))
    .description("Clears alarms; what raised them may raise them again.")
    .argument("<ids...>", "their ids")
    .option("--note <text>", "why")
    .action(lazily(async () => (await import("./commands/alarm.ts")).clearAlarms))
  atNode(alarm.command("watch"))
    .description("Shows what is raised, and then what happens, until Ctrl-C.")
    .option("--count <n>", "end after this many events")
    .action(lazily(async () => (await import("./commands/alarm.ts")).watchAlarms))
}

export function addGetAlarms(get: Command, lazily: Lazily): void {
  atNode(get.command("alarms"))
    .alias("alarm")
    .description("Lists alarms, those that are raised first.")
    .option("--raised", "only those that are raised")
    .action(lazily(async () => (await import("./commands/alarm.ts")).getAlarms))
  atNode(get.command("effects"))
    .alias("effect")
    .description("Lists what rules and functions did to the world, and how it ended; the newest first.")
    .option("--state <state>", "only pending, done, failed or in-doubt")
    .option("--type <type>", "only publish, command, function, webhook or alarm")
    .option("--source <source>", "only of this rule or function, e.g. rule/too-warm")
    .option("--limit <n>", "show at most this many", "100")
    .action(lazily(async () => (await import("./commands/effect.ts")).getEffects))
}

export function addDescribeAlarm(describe: Command, lazily: Lazily): void {
  atNode(describe.command("alarm"))
    .description("Shows an alarm and what happened to it.")
    .argument("<id>", "its id, as `brume get alarms` shows it")
    .action(lazily(async () => (await import("./commands/alarm.ts")).describeAlarm))
  atNode(describe.command("effect"))
    .description("Shows an effect and how it ended.")
    .argument("<key>", "its key, as `brume get effects --json` shows it")
    .action(lazily(async () => (await import("./commands/effect.ts")).describeEffect))
}
