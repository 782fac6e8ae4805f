/** The commands that speak MQTT, and those about who does. */
import { type Command, Option } from "commander"
import { atNode, collect, type Lazily } from "./program-parts.ts"

export function addMessages(program: Command, lazily: Lazily): void {
  addPublish(program, lazily)
  addSubscribe(program, lazily)
}

/** What the commands that speak MQTT understand. */
function atBroker(command: Command): Command {
  return atNode(command)
    .option("--mqtt-url <url>", "another broker than the node: mqtt://host:1883, mqtts://, ws:// or wss://")
    .option("--username <name>", "name of a credential, in place of a token")
    .option("--password-file <file>", "file with its password")
}

const qosOption = (meaning: string): Option =>
  new Option("--qos <level>", meaning).choices(["0", "1", "2"]).default("1")

function addPublish(program: Command, lazily: Lazily): void {
  atBroker(program.command("publish"))
    .summary("publish messages over MQTT")
    .description(
      "Publishes a message over MQTT 5.0: at the node, with the token as password, or at any broker. Ends when the " +
        "broker has acknowledged it; a node does that when it is on disk.",
    )
    .argument("<topic>", "where to, e.g. devices/cold/room-1/temperature")
    .argument("[payload]", "the message; from --file or stdin without it")
    .option("--file <file>", "the payload is this file, as it is")
    .option("--lines", "each line of --file or stdin is a message")
    .addOption(qosOption("0 sent, 1 acknowledged, 2 exactly once"))
    .option("--retain", "keep it for those who subscribe later; an empty one removes what is kept")
    .option("--property <name=value>", "user property, as often as needed", collect)
    .option("--content-type <type>", "what the payload is, e.g. application/json")
    .option("--expiry <span>", "how long it is worth delivering, e.g. 30s")
    .option("--response-topic <topic>", "where an answer is awaited")
    .addHelpText(
      "after",
      `
Examples:
  brume publish devices/cold/room-1/temperature 4.2
  brume publish site/config --file config.json --retain --content-type application/json
  brume publish devices/cold/room-1/temperature --lines --file values.txt
  brume publish a/b hello --mqtt-url mqtt://127.0.0.1:1883`,
    )
    .action(lazily(async () => (await import("./commands/publish.ts")).publish))
}

function addSubscribe(program: Command, lazily: Lazily): void {
  atBroker(program.command("subscribe"))
    .summary("show messages over MQTT")
    .description(
      "Shows messages as they come, until Ctrl-C: text as it is, long JSON on lines of its own, other bytes in hex. Connects " +
        "again when the connection is lost.",
    )
    .argument("<filters...>", "topic filters: + is one level, # the rest; $share/GROUP/FILTER takes turns with others")
    .addOption(qosOption("highest that is wanted"))
    .option("--count <n>", "end after this many messages")
    .option("--timeout <span>", "end after this time, e.g. 30s; with --count it is a failure when fewer came")
    .addHelpText(
      "after",
      `
With --json each message is an object on a line: topic, payload (or base64 where it is no text), qos, retain, and what
else came with it.

Examples:
  brume subscribe "devices/#"
  brume subscribe '$SYS/#' --count 5 --json
  brume subscribe a/b --mqtt-url mqtt://127.0.0.1:1883`,
    )
    .action(lazily(async () => (await import("./commands/subscribe.ts")).subscribe))
}

export function addClient(program: Command, lazily: Lazily): void {
  const client = program.command("client").summary("disconnect MQTT clients").description("Acts on MQTT clients.")
  atNode(client.command("disconnect"))
    .description("Ends the connections of MQTT clients. They may connect again at once.")
    .argument("<ids...>", "their identifiers, as `brume get clients` shows them")
    .option("--forget", "end their sessions too: subscriptions, and what waits for them")
    .action(lazily(async () => (await import("./commands/client.ts")).disconnectClients))
}
