/** The commands that say who may do what: tokens, credentials of devices, bans. */
import type { Command } from "commander"
import { atNode, collect, type Lazily } from "./program-parts.ts"

export function addAccess(program: Command, lazily: Lazily): void {
  addToken(program, lazily)
  addCredential(program, lazily)
  addBan(program, lazily)
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

function addCredential(program: Command, lazily: Lazily): void {
  const credential = program
    .command("credential")
    .summary("create, list, change and revoke credentials of devices")
    .description("Says what devices sign in with over MQTT, and what each may publish and subscribe.")
  addCredentialCreate(credential, lazily)
  atNode(credential.command("list"))
    .description("Lists credentials, as `brume get credentials` does.")
    .action(lazily(async () => (await import("./commands/get.ts")).getCredentials))
  atNode(credential.command("change"))
    .description("Changes permissions, or disables or enables a credential. Its connections end and may come back.")
    .argument("<username>", "whose")
    .option("--publish <filter>", "what it may publish instead, as often as needed", collect)
    .option("--subscribe <filter>", "what it may subscribe instead, as often as needed", collect)
    .option("--disable", "refuse it until it is enabled again")
    .option("--enable", "accept it again")
    .action(lazily(async () => (await import("./commands/credential.ts")).changeCredential))
  atNode(credential.command("rotate"))
    .description("Gives a credential a new password. Made by the node, it is all that goes to stdout, this once.")
    .argument("<username>", "whose")
    .option("--password-file <file>", "file that holds the password; - is stdin")
    .action(lazily(async () => (await import("./commands/credential.ts")).rotateCredential))
  atNode(credential.command("revoke"))
    .description("Revokes credentials at once; their connections end.")
    .argument("<usernames...>", "as `brume credential list` shows them")
    .action(lazily(async () => (await import("./commands/credential.ts")).revokeCredentials))
}

function addCredentialCreate(credential: Command, lazily: Lazily): void {
  atNode(credential.command("create"))
    .description(
      "Creates a credential. The password that the node makes for it, shown this once, is all that goes to stdout.",
    )
    .argument("<username>", "what the device calls itself; %u in filters stands for it")
    .option(
      "--publish <filter>",
      "what it may publish, as often as needed (default: devices/%u and devices/%u/#)",
      collect,
    )
    .option(
      "--subscribe <filter>",
      "what it may subscribe, as often as needed (default: devices/%u and devices/%u/#)",
      collect,
    )
    .option("--password-file <file>", "file that holds the password, instead of one that the node makes; - is stdin")
    .option(
      "--certificate [name]",
      "signs in by a client certificate of this name (default: the username), no password",
    )
    .option("--fingerprint <sha256>", "with --certificate: only this certificate is meant, and not what replaces it")
    .addHelpText(
      "after",
      `
Filters have the wildcards of MQTT: + is one level, # the rest. %u stands for the username, %c for the client id. An empty
filter allows nothing: --subscribe "".

Examples:
  brume credential create greenhouse-1
  brume credential create bridge --publish "zigbee2mqtt/#" --subscribe "zigbee2mqtt/+/set"
  brume credential create pump-7 --certificate pump-7.example`,
    )
    .action(lazily(async () => (await import("./commands/credential.ts")).createCredential))
}

function addBan(program: Command, lazily: Lazily): void {
  const ban = program
    .command("ban")
    .summary("add, list and lift bans")
    .description("Says which client ids, usernames and addresses may not connect over MQTT, whatever they know.")
  atNode(ban.command("add"))
    .description("Bans at once; connections end. Replaces an earlier ban of the same.")
    .argument("<kind>", "client, username or address")
    .argument("<value>", "the client id, the username or the IP address")
    .option("--expires <when>", "a span such as 1h, or a time (default: never)")
    .option("--reason <text>", "why, for people")
    .addHelpText(
      "after",
      `
Examples:
  brume ban add client sensor-17 --reason "sends garbage"
  brume ban add address 192.0.2.7 --expires 1h`,
    )
    .action(lazily(async () => (await import("./commands/ban.ts")).addBan))
  atNode(ban.command("list"))
    .description("Lists bans, as `brume get bans` does.")
    .action(lazily(async () => (await import("./commands/get.ts")).getBans))
  atNode(ban.command("remove"))
    .description("Lifts a ban.")
    .argument("<kind>", "client, username or address")
    .argument("<value>", "as `brume ban list` shows it")
    .action(lazily(async () => (await import("./commands/ban.ts")).removeBan))
}
