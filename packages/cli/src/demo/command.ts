/** `brume demo` on the command line. Loads what runs it only when it runs. */
import type { Command } from "commander"
import type { Terminal } from "../terminal.ts"
import type { DemoFlags } from "./demo.ts"

type Runner = (args: readonly [], flags: DemoFlags, terminal: Terminal) => Promise<number>

/** @param lazily makes an action of what is loaded when the command runs. */
export function addDemoCommand(
  program: Command,
  lazily: (load: () => Promise<Runner>) => (...given: unknown[]) => Promise<void>,
): void {
  program
    .command("demo")
    .summary("start a node with a simulated site")
    .description(
      "Starts a node with a simulated cold-storage site beside it, driven by real weather. It prints one line " +
        "`ready http://… mqtt://… in N ms` on stdout when it accepts, and the console's address on stderr.",
    )
    .option("--data <dir>", "data folder of the demo's node", ".brume/demo")
    .option("--http <host:port>", "where to listen (default: 127.0.0.1:7777, or the next free port)")
    .option("--mqtt <host:port>", "where to listen for MQTT (default: 127.0.0.1:1883, or the next free port)")
    .option("--speed <factor>", "how many times faster than reality the site lives, 1 to 3600", "1")
    .option("--devices <count>", "simulated devices, 1 to 500", "8")
    .option("--seed <number>", "another number is another story of doors and defrosting", "1")
    .option("--history <hours>", "how much of the past is simulated at the first start, 0 to 720", "168")
    .option("--weather <file>", "daily weather to play instead of the one that is shipped (CSV)")
    .addHelpText(
      "after",
      "\nExample:\n  brume demo --speed 60\n\nWhat is real and what is simulated: docs/guide/demo.md",
    )
    .action(lazily(async () => (await import("./demo.ts")).demo))
}
