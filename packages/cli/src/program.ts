/**
 * The tree of commands. It says what there is and loads what runs it only then, so that `brume --help` costs little.
 * docs/reference/cli.md follows from it.
 */
import { Command, Option } from "commander"
import { addDemoCommand } from "./demo/command.ts"
import { addAccess } from "./program-access.ts"
import { addAlarm, addDescribeAlarm, addGetAlarms } from "./program-alarms.ts"
import { addCommands, addDescribeCommand, addGetCommands } from "./program-commands.ts"
import { addDocuments } from "./program-documents.ts"
import { addFunctionNouns, addFunctions } from "./program-functions.ts"
import { addClient, addMessages } from "./program-messages.ts"
import { atNode, collect, type Lazily, type Runner } from "./program-parts.ts"
import type { Terminal } from "./terminal.ts"

export interface Outcome {
  exitCode: number
}

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
  addMessages(program, lazily)
  addTestMapping(program, lazily)
  program.commandsGroup("Devices:")
  addCommands(program, lazily)
  program.commandsGroup("Functions:")
  addFunctions(program, lazily)
  program.commandsGroup("What a node has:")
  addGet(program, lazily)
  addDescribe(program, lazily)
  addAlarm(program, lazily)
  addDelete(program)
  addDocuments(program, lazily)
  addFunctionNouns(program, lazily)
  addClient(program, lazily)
  addAccess(program, lazily)
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

function addTestMapping(program: Command, lazily: Lazily): void {
  program
    .command("test-mapping")
    .summary("show what an MQTT message becomes")
    .description(
      "Shows which mapping takes a message and the readings that it gives, or why it gives none (exit code 7). Needs no node.",
    )
    .requiredOption("--topic <topic>", "topic of the message")
    .option("--payload <text>", "its payload")
    .option("--file <file>", "read the payload from this file; - is stdin")
    .option("--content-type <type>", "its content type, which MQTT 5 can carry")
    .option("--config <file>", "configuration in YAML with devices.mappings (else BRUME_CONFIG)")
    .option("--json", "JSON on stdout and nothing else there; errors as a problem body on stderr")
    .addHelpText(
      "after",
      `
Examples:
  brume test-mapping --topic devices/fridge-1/temperature --payload 4.2
  brume test-mapping --config brume.yaml --topic tele/plug/SENSOR --file sensor.json

How topics and payloads become readings: docs/guide/mapping.md`,
    )
    .action(lazily(async () => (await import("./commands/test-mapping.ts")).testMapping))
}

function addGet(program: Command, lazily: Lazily): void {
  const get = program
    .command("get")
    .summary("list devices, commands, rules, functions, MQTT clients, tokens and more")
    .description("Lists what a node has.")
  atNode(get.command("devices"))
    .alias("device")
    .description("Lists devices with their latest values.")
    .option("--device <filter>", "only devices that fit, as often as needed", collect)
    .action(lazily(async () => (await import("./commands/get.ts")).getDevices))
  addGetCommands(get, lazily)
  atNode(get.command("clients"))
    .alias("client")
    .description("Lists MQTT clients, connected or away; needs a token with the scope admin.")
    .option("--connected", "only those that are connected")
    .option("--away", "only those that are not")
    .action(lazily(async () => (await import("./commands/client.ts")).getClients))
  addGetAlarms(get, lazily)
  atNode(get.command("tokens"))
    .alias("token")
    .description("Lists tokens; needs one with the scope admin.")
    .action(lazily(async () => (await import("./commands/get.ts")).getTokens))
  atNode(get.command("credentials"))
    .alias("credential")
    .description("Lists credentials of devices; needs a token with the scope admin.")
    .action(lazily(async () => (await import("./commands/get.ts")).getCredentials))
  atNode(get.command("bans"))
    .alias("ban")
    .description("Lists what may not connect over MQTT; needs a token with the scope admin.")
    .action(lazily(async () => (await import("./commands/get.ts")).getBans))
  atNode(get.command("queries"))
    .alias("query")
    .description("Lists the statements that the node works on.")
    .action(lazily(async () => (await import("./commands/get.ts")).getQueries))
}

function addDescribe(program: Command, lazily: Lazily): void {
  const describe = program
    .command("describe")
    .summary("show all about a device, a command, a rule, an MQTT client, the node and more")
    .description("Shows everything that a node knows of one thing.")
  atNode(describe.command("device"))
    .description("Shows each series of a device with its newest reading.")
    .argument("<name>", "the device's name, e.g. cold/room-1")
    .action(lazily(async () => (await import("./commands/describe.ts")).describeDevice))
  addDescribeCommand(describe, lazily)
  atNode(describe.command("client"))
    .description("Shows an MQTT client: its connection, its session and its subscriptions.")
    .argument("<id>", "its client identifier, as `brume get clients` shows it")
    .action(lazily(async () => (await import("./commands/client.ts")).describeClient))
  addDescribeAlarm(describe, lazily)
  atNode(describe.command("node"))
    .description("Shows the state of the node, its store and the token that asks.")
    .action(lazily(async () => (await import("./commands/describe.ts")).describeNode))
}

function addDelete(program: Command): void {
  program.command("delete").summary("delete rules and functions").description("Deletes what a node has.")
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
