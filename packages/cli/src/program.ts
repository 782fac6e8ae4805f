/**
 * The tree of commands. It says what there is and loads what runs it only then, so that `brume --help` costs little.
 * docs/reference/cli.md follows from it.
 */
import { Command, Option } from "commander"
import { addDemoCommand } from "./demo/command.ts"
import type { Terminal } from "./terminal.ts"

/** Arguments in the order of the command line, then the flags. Resolves to an exit code; nothing means 0. */
type Runner<Arguments extends readonly unknown[], Flags> = (
  args: Arguments,
  flags: Flags,
  terminal: Terminal,
) => Promise<number> | Promise<void>

export interface Outcome {
  exitCode: number
}

const collect = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value]

export function createProgram(terminal: Terminal, outcome: Outcome): Command {
  const program = new Command("brume")
    .description("Readings into a durable store, SQL over all of them. One node is one `brume up`.")
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpCommand("help [command]", "Show the help of a command.")
    .helpOption("-h, --help", "Show this help.")
    .configureOutput({
      writeOut: (text) => void terminal.out.write(text),
      // Errors are told by the caller, in the form that was asked for.
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(terminal.out.columns ?? 100, 100),
      getOutHasColors: () => false,
    })

  /** Loads the command's module only when it runs. */
  const lazily =
    <Arguments extends readonly unknown[], Flags>(load: () => Promise<Runner<Arguments, Flags>>) =>
    async (...given: unknown[]): Promise<void> => {
      // Commander hands over the arguments, the flags and the command itself.
      const args = given.slice(0, -2) as unknown as Arguments
      const run = await load()
      outcome.exitCode = (await run(args, given.at(-2) as Flags, terminal)) ?? 0
    }

  program.commandsGroup("A node:")
  addUp(program, lazily)
  addDemoCommand(program, lazily)
  addDoctor(program, lazily)
  program.commandsGroup("Readings:")
  addWrite(program, lazily)
  addQuery(program, lazily)
  addWatch(program, lazily)
  program.commandsGroup("Messages:")
  addPublish(program, lazily)
  addSubscribe(program, lazily)
  program.commandsGroup("What a node has:")
  addGet(program, lazily)
  addDescribe(program, lazily)
  addClient(program, lazily)
  addToken(program, lazily)
  program.commandsGroup("This command:")
  addOwn(program, lazily)
  program.addHelpText(
    "after",
    `
Examples:
  brume up                                          start a node, its data in ./.brume/node
  brume write cold/room-1/temperature=4.2           store a reading
  brume query "SELECT * FROM latest"                ask
  brume watch "cold/#"                              see readings arrive
  brume subscribe "devices/#"                       see messages of MQTT

Commands that talk to a node find it by --url or BRUME_URL (${"http://127.0.0.1:7777"} otherwise), and a token by
--token-file, BRUME_TOKEN, BRUME_TOKEN_FILE or the data folder of \`brume up\` below this folder.`,
  )
  return program
}

type Lazily = <Arguments extends readonly unknown[], Flags>(
  load: () => Promise<Runner<Arguments, Flags>>,
) => (...given: unknown[]) => Promise<void>

/** What every command that talks to a node understands. */
function atNode(command: Command): Command {
  return command
    .option("--url <url>", "address of the node (default: BRUME_URL, else http://127.0.0.1:7777)")
    .option("--token-file <file>", "file with the token's secret (else BRUME_TOKEN, BRUME_TOKEN_FILE)")
    .option("--token <secret>", "the secret itself; other users of this machine can see it in the process list")
    .option("--json", "JSON on stdout and nothing else there; errors as a problem body on stderr")
}

function addUp(program: Command, lazily: Lazily): void {
  program
    .command("up")
    .summary("start a node")
    .description(
      "Starts a node in this process. It prints one line `ready http://… in N ms` on stdout when it accepts.",
    )
    .option("--data <dir>", "data folder (default: .brume/node in this folder, unless the configuration names one)")
    .option("--http <host:port>", "where to listen (default: 127.0.0.1:7777; port 0 takes a free one)")
    .option("--mqtt <host:port>", "where to listen for MQTT, e.g. 127.0.0.1:1883 (default: nowhere)")
    .option("--mqtts <host:port>", "where to listen for MQTT over TLS, e.g. 0.0.0.0:8883 (default: nowhere)")
    .option("--insecure-mqtt", "let programs on this machine use MQTT without a name and a password")
    .option("--name <name>", "name of the node (default: the machine's host name)")
    .option("--config <file>", "configuration in YAML (else BRUME_CONFIG)")
    .option("--log-level <level>", "least severe level that is logged: debug, info, warn, error")
    .option("--log-format <format>", "how it is logged: pretty or json")
    .option("--set <key=value>", "any key of the configuration, as often as needed", collect)
    .option("--reset-admin-token", "make a new admin token in place of the one that the node made at first")
    .option("--json", "errors as a problem body on stderr")
    .addHelpText(
      "after",
      `
Examples:
  brume up --data ./data --http 127.0.0.1:7777
  brume up --config brume.yaml --set store.segments.retention.maxAgeMs=90d

Every key: docs/reference/config.md`,
    )
    .action(lazily(async () => (await import("./commands/up.ts")).up))
}

function addDoctor(program: Command, lazily: Lazily): void {
  atNode(program.command("doctor"))
    .summary("check this machine and a node")
    .description(
      "Checks this machine, a data folder and a running node; says of each whether it is well, and what to do.",
    )
    .option("--data <dir>", "data folder to check (default: .brume/node, else .brume/demo)")
    .action(lazily(async () => (await import("./commands/doctor.ts")).doctor))
}

function addWrite(program: Command, lazily: Lazily): void {
  atNode(program.command("write"))
    .summary("store readings")
    .description(
      "Stores readings given as arguments, or from a file or stdin. Ends when all of them are on the node's disk.",
    )
    .argument("[readings...]", "device/property=value; the value is a number, true, false, JSON, or else text")
    .option("--file <file>", "read from this file; - is stdin, which is also read when there are no arguments")
    .addOption(
      new Option("--format <format>", "of the file or stdin").choices(["ndjson", "line", "csv"]).default("ndjson"),
    )
    .option("--time <time>", "time of readings given as arguments, ISO 8601 (default: now)")
    .option("--tag <name=value>", "tag of readings given as arguments, as often as needed", collect)
    .option("--device <name>", "device of a CSV without a column `device`")
    .addOption(new Option("--precision <unit>", "of timestamps in line protocol").choices(["ns", "us", "ms", "s"]))
    .option("--max-refused <n>", "end after this many refused lines", "100")
    .addHelpText(
      "after",
      `
Examples:
  brume write cold/room-1/temperature=4.2 cold/room-1/door=open --tag hall=b
  brume write --file readings.ndjson
  telegraf --test --quiet | brume write --format line
  brume write --format csv --file weather.csv --device station

CSV has a first line with names: device, time, and either property and value, or one column per property; tag.NAME is a
tag. Empty cells are left out.`,
    )
    .action(lazily(async () => (await import("./commands/write.ts")).write))
}

function addQuery(program: Command, lazily: Lazily): void {
  atNode(program.command("query"))
    .summary("answer one SELECT")
    .description(
      "Answers one SELECT over the views `readings` and `latest`, in DuckDB's dialect. Ctrl-C stops it on the node too.",
    )
    .argument("[sql]", "the statement; - reads it from stdin")
    .option("--file <file>", "read the statement from this file")
    .addOption(
      new Option("--format <format>", "of the rows; json is one array of objects")
        .choices(["table", "json", "csv", "arrow"])
        .default("table"),
    )
    .option("--param <value>", "value for $1, $2, … in turn: a number, true, false, null, or else text", collect)
    .option("--max-rows <n>", "fail when there are more rows")
    .option("--timeout <span>", "stop after this time, e.g. 5s")
    .addHelpText(
      "after",
      `
Examples:
  brume query "SELECT device, property, value FROM latest ORDER BY device"
  brume query --param temperature "SELECT device, avg(value) FROM readings WHERE property = $1 GROUP BY device"
  brume query --json "SELECT count(*) AS n FROM readings"
  brume query --format arrow "SELECT * FROM readings" > readings.arrow`,
    )
    .action(lazily(async () => (await import("./commands/query.ts")).query))
}

function addWatch(program: Command, lazily: Lazily): void {
  atNode(program.command("watch"))
    .summary("show readings as they arrive")
    .description(
      "Shows readings as they become durable, until Ctrl-C. Connects again when the connection is lost, and says what it missed.",
    )
    .argument("[devices...]", "device filters: + is one level, # the rest (default: all)")
    .option("--property <filter>", "only properties that fit, as often as needed", collect)
    .option("--count <n>", "end after this many readings")
    .addHelpText(
      "after",
      `
Examples:
  brume watch "cold/#" --property temperature
  brume watch --json --count 10`,
    )
    .action(lazily(async () => (await import("./commands/watch.ts")).watch))
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
      "Shows messages as they come, until Ctrl-C: text as it is, JSON on lines of its own, other bytes in hex. Connects " +
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

function addGet(program: Command, lazily: Lazily): void {
  const get = program
    .command("get")
    .summary("list devices, MQTT clients, tokens or queries")
    .description("Lists what a node has.")
  atNode(get.command("devices"))
    .alias("device")
    .description("Lists devices with their latest values.")
    .option("--device <filter>", "only devices that fit, as often as needed", collect)
    .action(lazily(async () => (await import("./commands/get.ts")).getDevices))
  atNode(get.command("clients"))
    .alias("client")
    .description("Lists MQTT clients, connected or away; needs a token with the scope admin.")
    .option("--connected", "only those that are connected")
    .option("--away", "only those that are not")
    .action(lazily(async () => (await import("./commands/client.ts")).getClients))
  atNode(get.command("tokens"))
    .alias("token")
    .description("Lists tokens; needs one with the scope admin.")
    .action(lazily(async () => (await import("./commands/get.ts")).getTokens))
  atNode(get.command("queries"))
    .alias("query")
    .description("Lists the statements that the node works on.")
    .action(lazily(async () => (await import("./commands/get.ts")).getQueries))
}

function addDescribe(program: Command, lazily: Lazily): void {
  const describe = program
    .command("describe")
    .summary("show all about a device, an MQTT client or the node")
    .description("Shows everything that a node knows of one thing.")
  atNode(describe.command("device"))
    .description("Shows each series of a device with its newest reading.")
    .argument("<name>", "the device's name, e.g. cold/room-1")
    .action(lazily(async () => (await import("./commands/describe.ts")).describeDevice))
  atNode(describe.command("client"))
    .description("Shows an MQTT client: its connection, its session and its subscriptions.")
    .argument("<id>", "its client identifier, as `brume get clients` shows it")
    .action(lazily(async () => (await import("./commands/client.ts")).describeClient))
  atNode(describe.command("node"))
    .description("Shows the state of the node, its store and the token that asks.")
    .action(lazily(async () => (await import("./commands/describe.ts")).describeNode))
}

function addClient(program: Command, lazily: Lazily): void {
  const client = program.command("client").summary("disconnect MQTT clients").description("Acts on MQTT clients.")
  atNode(client.command("disconnect"))
    .description("Ends the connections of MQTT clients. They may connect again at once.")
    .argument("<ids...>", "their identifiers, as `brume get clients` shows them")
    .option("--forget", "end their sessions too: subscriptions, and what waits for them")
    .action(lazily(async () => (await import("./commands/client.ts")).disconnectClients))
}

function addToken(program: Command, lazily: Lazily): void {
  const token = program.command("token").summary("create, list and revoke tokens").description("Says who may do what.")
  atNode(token.command("create"))
    .description("Creates a token. Its secret, shown this once, is all that goes to stdout.")
    .argument("<name>", "what it is for, for people")
    .requiredOption("--scope <scope>", "read, write or admin, as often as needed", collect)
    .option("--device <filter>", "limits it to devices that fit, as often as needed (default: all)", collect)
    .option("--expires <when>", "a span such as 90d, or a time (default: never)")
    .addHelpText(
      "after",
      `
Examples:
  brume token create gateway-7 --scope write --device "hall-7/#"
  brume token create dashboard --scope read --expires 90d`,
    )
    .action(lazily(async () => (await import("./commands/token.ts")).createToken))
  atNode(token.command("list"))
    .description("Lists tokens, as `brume get tokens` does.")
    .action(lazily(async () => (await import("./commands/get.ts")).getTokens))
  atNode(token.command("revoke"))
    .description("Revokes tokens at once; live streams of them end.")
    .argument("<ids...>", "their ids, as `brume token list` shows them")
    .action(lazily(async () => (await import("./commands/token.ts")).revokeTokens))
}

function addOwn(program: Command, lazily: Lazily): void {
  program
    .command("version")
    .summary("show versions")
    .description("Shows the versions of this command, of Node.js and of the system.")
    .option("--json", "JSON on stdout")
    .action(lazily(async () => (await import("./commands/version.ts")).showVersion))
  program
    .command("completion")
    .summary("print a completion script for a shell")
    .description("Prints a script that completes commands and flags. For bash: source <(brume completion bash)")
    .argument("<shell>", "bash, zsh or fish")
    .action(
      lazily(async () => {
        const { completionScript } = await import("./completion.ts")
        return ([shell]: readonly [string], _flags: object, { out }: Terminal) =>
          out.write(completionScript(shell, program))
      }),
    )
}
