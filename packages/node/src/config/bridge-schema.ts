/** `mqtt.bridges`: foreign MQTT brokers with which the node exchanges messages, one object each. */
import { filterProblem, renamingProblem } from "@brume/core"
import { choice, duration, file, type InnerMistake, optional, required, section, size, text, whole } from "./key.ts"
import { objects } from "./list-key.ts"
import type { ValuesOf } from "./members.ts"

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
const plain = /^[^\u0000-\u001f\u007f]{1,1024}$/

const topicMap = {
  direction: choice({
    meaning: "`out`: from this node to the remote broker; `in`: the other way.",
    default: "both",
    of: ["in", "out", "both"],
  }),
  local: required(text({ meaning: "The topics here: an MQTT filter.", fits: plain, form: "a topic filter" }), {
    example: "plant/#",
  }),
  remote: required(
    text({
      meaning: "What they are called there: a filter with the same wildcards in the same order.",
      fits: plain,
      form: "a topic filter",
    }),
    { example: "site-7/plant/#" },
  ),
  qos: choice({
    meaning: "The highest quality of service. Messages at QoS 0 are not kept while the remote broker is away.",
    default: "1",
    of: ["0", "1", "2"],
  }),
}

const topics = objects({
  meaning: "Which topics are exchanged. The first that fits a topic is in force.",
  item: "topic map",
  of: topicMap,
  most: 256,
  check: topicMistakes,
})

const bridge = {
  name: required(
    text({
      meaning: "Its name, in the log and in `$SYS/broker/bridge/<name>/state`.",
      fits: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
      form: "1 to 63 letters, digits, dots, underscores or hyphens",
    }),
    { example: "headquarters" },
  ),
  url: required(
    text({
      meaning: "The remote broker: `mqtt://HOST`, or `mqtts://HOST` over TLS; the usual ports are 1883 and 8883.",
      fits: /^mqtts?:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?\/?$/,
      form: "mqtt://HOST:PORT or mqtts://HOST:PORT",
    }),
    { example: "mqtts://broker.example.com:8883" },
  ),
  protocol: choice({
    meaning: "What it speaks. 5.0 keeps properties, expiry and trails of messages across.",
    default: "5.0",
    of: ["5.0", "3.1.1"],
  }),
  clientId: optional(
    text({ meaning: "The client identifier there; no other client may have it.", fits: plain, form: "a text" }),
    { meaning: "`brume-<node.name>-<name>`", example: "site-7" },
  ),
  username: optional(text({ meaning: "The user name there.", fits: plain, form: "a text" }), {
    meaning: "none",
    example: "site-7",
  }),
  passwordFile: optional(file({ meaning: "A file with the password in its first line; read at each connection." }), {
    meaning: "no password",
    example: "/etc/brume/headquarters.password",
  }),
  passwordVariable: optional(
    text({
      meaning: "The environment variable that has the password, in place of a file.",
      fits: /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
      form: "the name of an environment variable",
    }),
    { meaning: "no password", example: "HEADQUARTERS_PASSWORD" },
  ),
  tls: section("With `mqtts:`. Files are read at each connection.", {
    authorityFile: optional(file({ meaning: "Certificates in PEM of the authorities that it trusts." }), {
      meaning: "those of the system",
      example: "/etc/brume/headquarters.crt",
    }),
    certificateFile: optional(
      file({ meaning: "The node's own certificate in PEM, where the remote broker asks for one." }),
      { meaning: "none", example: "/etc/brume/site-7.crt" },
    ),
    keyFile: optional(file({ meaning: "Its private key in PEM." }), {
      meaning: "none",
      example: "/etc/brume/site-7.key",
    }),
  }),
  topics,
  keepAliveMs: duration({
    meaning: "Longest silence; after one and a half of it the link counts as lost.",
    default: "1m",
    min: 1_000,
    max: 65_535_000,
  }),
  connectTimeoutMs: duration({
    meaning: "Longest time from dialling to the answer to its subscriptions.",
    default: "30s",
    min: 100,
    max: 600_000,
  }),
  firstRetryMs: duration({
    meaning: "About the first wait after a failure; it doubles with each.",
    default: "1s",
    min: 10,
    max: 600_000,
  }),
  maxRetryMs: duration({ meaning: "The longest wait.", default: "1m", min: 10, max: 86_400_000 }),
  maxInflight: whole({
    meaning: "Most QoS 1 and 2 messages on their way to the remote broker; it may ask for fewer.",
    default: "100",
    min: 1,
    max: 65_535,
  }),
  maxPacketBytes: size({
    meaning: "Largest packet that is taken and sent; set it to the limit of a remote broker of 3.1.1.",
    default: "1MiB",
    min: 256,
    max: 256 * 2 ** 20,
  }),
  maxHops: whole({
    meaning: "Nodes by which a message may be bridged; what comes further stays here.",
    default: "8",
    min: 1,
    max: 64,
  }),
}

export const bridges = objects({
  meaning: "Foreign MQTT brokers with which the node exchanges messages.",
  item: "bridge",
  of: bridge,
  most: 64,
  check: bridgeMistakes,
})

function topicMistakes({ local, remote }: Partial<ValuesOf<typeof topicMap>>): readonly InnerMistake[] {
  const mistakes: InnerMistake[] = []
  const check = (path: string, filter: string | undefined, first: string, meant: string): void => {
    if (filter === undefined) return
    const problem = filterProblem(filter) ?? (filter.startsWith(first) ? `begins with ${first}${meant}` : undefined)
    if (problem !== undefined) mistakes.push({ path, problem })
  }
  check("local", local, "$", ", as the node's own topics do")
  check("remote", remote, "$share/", ": a bridge takes no shared subscriptions")
  if (mistakes.length > 0 || local === undefined || remote === undefined) return mistakes
  const problem = renamingProblem(local, remote)
  return problem === undefined ? [] : [{ path: "remote", problem: `${problem}; they must be the same, in that order` }]
}

function bridgeMistakes(
  item: Partial<ValuesOf<typeof bridge>>,
  before: readonly Partial<ValuesOf<typeof bridge>>[],
): readonly InnerMistake[] {
  const { name, url, username, passwordFile, passwordVariable, tls, topics: maps, firstRetryMs, maxRetryMs } = item
  const mistakes: InnerMistake[] = []
  if (name !== undefined && before.some((other) => other.name === name))
    mistakes.push({ path: "name", problem: `is ${name}, as that of an earlier bridge` })
  if (url !== undefined && Number(/:(\d+)\/?$/.exec(url)?.[1] ?? 1) > 65_535)
    mistakes.push({ path: "url", problem: `${url} has no port that there is` })
  if (maps !== undefined && maps.length === 0)
    mistakes.push({ path: "topics", problem: "is empty: nothing would cross" })
  if (passwordFile !== undefined && passwordVariable !== undefined)
    mistakes.push({ path: "passwordVariable", problem: "stands beside passwordFile; give one of them" })
  const password = passwordFile === undefined ? passwordVariable && "passwordVariable" : "passwordFile"
  if (password !== undefined && username === undefined)
    mistakes.push({ path: password, problem: "needs username, which is missing" })
  if (firstRetryMs !== undefined && maxRetryMs !== undefined && firstRetryMs > maxRetryMs)
    mistakes.push({ path: "firstRetryMs", problem: "is longer than maxRetryMs" })
  const { authorityFile, certificateFile, keyFile } = tls ?? {}
  if ((certificateFile === undefined) !== (keyFile === undefined))
    mistakes.push({ path: "tls", problem: "has one of certificateFile and keyFile, which go together" })
  const given = authorityFile ?? certificateFile ?? keyFile
  if (given !== undefined && url?.startsWith("mqtt:"))
    mistakes.push({ path: "tls", problem: "needs a url that begins with mqtts:" })
  return mistakes
}
