/** The commands about alarms. */
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
