/** The sections `effects` and `alarms`: what is remembered of effects, whom webhooks may reach, and the written limits. */
import { choice, duration, section, texts, whole } from "./key.ts"

const day = 86_400_000

const afterCrash = (what: string) =>
  choice({
    meaning: `What becomes of ${what} without an outcome when the node stopped in the middle: dropped as in doubt, or attempted again with the same key, for those who recognise it.`,
    default: "drop",
    of: ["drop", "retry"],
  })

const port = "(?::(?:[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5]))?"
const v4 = "\\d{1,3}(?:\\.\\d{1,3}){3}(?:/(?:[12]?\\d|3[0-2]))?"
const v6 = "[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{0,40}:[0-9A-Fa-f.]{0,15}(?:/(?:\\d{1,2}|1[01]\\d|12[0-8]))?"
const host = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
/** As the executor of webhooks reads it, which has the last word. */
const allowed = new RegExp(`^(?:\\[${v6}\\]${port}|${v6}|(?:${v4}|${host})${port})$`)

const webhooks = section("Requests that rules and functions make.", {
  allow: texts({
    meaning:
      "Hosts, addresses and networks that webhooks may reach although they are this machine or beside it: `chat.lan`, `10.0.0.7:8080`, `192.168.0.0/16`, `[fd00::/8]:443`. Public addresses need no entry.",
    default: "",
    fits: allowed,
    form: "hosts, addresses or networks, each perhaps with a port",
    most: 256,
  }),
  timeoutMs: duration({
    meaning: "Longest time of one attempt, from its beginning to the head of the answer.",
    default: "10s",
    min: 100,
    max: 600_000,
  }),
  connectTimeoutMs: duration({
    meaning: "Longest time until the connection stands, TLS included.",
    default: "5s",
    min: 100,
    max: 600_000,
  }),
  maxAttempts: whole({
    meaning: "Attempts while the host cannot be reached, or says that it does not take requests now (429, 503).",
    default: "4",
    min: 1,
    max: 20,
  }),
  maxRunning: whole({ meaning: "Most requests at once.", default: "32", min: 1, max: 256 }),
  maxRunningPerHost: whole({ meaning: "The same of one host.", default: "4", min: 1, max: 256 }),
  maxPending: whole({
    meaning: "Most webhooks without an outcome; beyond them effects fail with `effects_busy`.",
    default: "1000",
    min: 1,
    max: 100_000,
  }),
  afterCrash: afterCrash("webhooks"),
})

const functions = section("Functions that rules call.", {
  timeoutMs: duration({
    meaning: "Longest time of one call; a function's own limit may be shorter.",
    default: "60s",
    min: 100,
    max: 3_600_000,
  }),
  maxAttempts: whole({
    meaning: "Attempts while the function takes no calls: too many wait for it, or it is parked.",
    default: "3",
    min: 1,
    max: 20,
  }),
  maxRunning: whole({ meaning: "Most calls at once.", default: "64", min: 1, max: 1_024 }),
  maxPending: whole({
    meaning: "Most calls without an outcome; beyond them effects fail with `effects_busy`.",
    default: "10000",
    min: 1,
    max: 100_000,
  }),
  afterCrash: afterCrash("calls"),
})

export const effects = section("What rules and functions do to the world.", {
  rememberedMs: duration({
    meaning: "How long an effect is remembered: the same cause within it does nothing again.",
    default: "24h",
    min: 60_000,
    max: 30 * day,
  }),
  maxRemembered: whole({
    meaning:
      "Most effects remembered at once; beyond them the oldest is forgotten. One takes about 550 bytes of memory.",
    default: "100000",
    min: 1_000,
    max: 10_000_000,
  }),
  webhooks,
  functions,
})

export const alarms = section("Alarms and their history.", {
  maxAlarms: whole({
    meaning: "Most alarms, raised and cleared; beyond them the one that was cleared first is forgotten.",
    default: "10000",
    min: 10,
    max: 1_000_000,
  }),
  maxEvents: whole({
    meaning: "Most events of the history; beyond them the oldest is forgotten.",
    default: "10000",
    min: 10,
    max: 1_000_000,
  }),
})
