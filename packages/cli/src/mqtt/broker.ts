/**
 * Which broker `brume publish` and `brume subscribe` talk to, and as whom.
 *
 * Without `--mqtt-url` it is the node of all other commands, over a WebSocket at its address, with the token as password.
 * With it, it is any broker: a token goes there only when it was given on the command line, never one that was found.
 */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { type ConnectionFlags, findToken, urlOf } from "../connection.ts"
import { usageError } from "../failure.ts"
import type { Terminal } from "../terminal.ts"

export interface BrokerFlags extends ConnectionFlags {
  readonly mqttUrl?: string
  readonly username?: string
  readonly passwordFile?: string
}

export interface Broker {
  /** As mqtt.js takes it. */
  readonly url: string
  readonly username: string | undefined
  readonly password: string | undefined
  /** Where the same node answers HTTP and can say why it refused the handshake; undefined for other brokers. */
  readonly httpUrl: string | undefined
}

const schemes = ["mqtt:", "mqtts:", "tcp:", "ssl:", "ws:", "wss:"]
/** A token needs no name; MQTT 3.1.1 wants one beside a password. */
const tokenName = "token"

export async function findBroker(flags: BrokerFlags, terminal: Terminal): Promise<Broker> {
  const place = flags.mqttUrl === undefined ? placeOfNode(urlOf(flags, terminal)) : placeOfUrl(flags.mqttUrl)
  const { username } = flags
  if (username !== undefined || flags.passwordFile !== undefined) {
    if (username === undefined) throw usageError("There is a password and no name", "Give --username too.")
    const password = flags.passwordFile === undefined ? undefined : await passwordIn(flags.passwordFile, terminal)
    return { ...place, username, password }
  }
  const isGiven = flags.token !== undefined || flags.tokenFile !== undefined
  const token = flags.mqttUrl === undefined || isGiven ? await findToken(flags, terminal) : undefined
  return { ...place, username: token === undefined ? undefined : tokenName, password: token?.secret }
}

function placeOfNode(text: string): Pick<Broker, "url" | "httpUrl"> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw usageError(`The node's URL ${text} cannot be used`, "It looks like http://127.0.0.1:7777.")
  }
  url.pathname = `${url.pathname.replace(/\/$/, "")}/mqtt`
  const httpUrl = url.href
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  return { url: url.href, httpUrl }
}

function placeOfUrl(text: string): Pick<Broker, "url" | "httpUrl"> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !schemes.includes(url.protocol) || url.hostname === "") {
    throw usageError(`--mqtt-url ${text} cannot be used`, "It looks like mqtt://127.0.0.1:1883 or mqtts://broker:8883.")
  }
  if (url.username !== "" || url.password !== "") {
    throw usageError("--mqtt-url carries a name or a password", "Give them as --username and --password-file.")
  }
  return { url: text, httpUrl: undefined }
}

/** Without the line's end that editors add. */
async function passwordIn(path: string, { folder }: Terminal): Promise<string> {
  try {
    return (await readFile(resolve(folder, path), "utf8")).replace(/\r?\n$/, "")
  } catch (cause) {
    throw usageError(`Cannot read ${path}: ${(cause as Error).message}`, "Correct --password-file.")
  }
}
