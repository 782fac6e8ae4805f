import { isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { type ConfigRequest, resolveConfig as resolve, type Surroundings } from "./config.ts"
import { describeConfig, parseSetting } from "./describe.ts"
import type { Mistake } from "./given.ts"
import { allKeys, envName } from "./schema.ts"

type Sources = ConfigRequest & Surroundings
const resolveConfig = (sources: Sources) => resolve(sources, sources)

const flags = (settings: Record<string, string>) =>
  Object.entries(settings).map(([key, value]) => ({ flag: "--set", key, value }))

/** A machine with one file, /etc/brume/brume.yaml. */
function sources(
  given: { flags?: Record<string, string>; env?: Record<string, string>; yaml?: string | Uint8Array } = {},
) {
  const made: Sources = {
    flags: flags({ "store.path": "/data", ...given.flags }),
    environment: given.env ?? {},
    workingFolder: "/work",
    hostName: "pi",
    ...(given.yaml === undefined ? {} : { file: "../etc/brume/brume.yaml" }),
    async readFile(path) {
      if (path !== "/etc/brume/brume.yaml") throw Object.assign(new Error("no such file"), { code: "ENOENT" })
      return typeof given.yaml === "string" ? Buffer.from(given.yaml) : given.yaml!
    },
  }
  return made
}

async function mistakesOf(made: Sources): Promise<readonly Mistake[]> {
  const error = await resolveConfig(made).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isFogError(error, "config_invalid"))
    throw new Error("The configuration should have been refused", { cause: error })
  return (error.details?.mistakes ?? []) as readonly Mistake[]
}

async function refusal(made: Sources): Promise<string> {
  return resolveConfig(made).then(
    () => "accepted",
    (error: Error) => error.message,
  )
}

test("without any source every key has its default, deeply frozen", async () => {
  const { config, origins } = await resolveConfig(sources())
  expect(config.api).toMatchObject({ listen: "127.0.0.1:7777", maxBodyBytes: 16 * 2 ** 20, allowedHosts: [] })
  expect(config.store.tables.applyIntervalMs).toBe(100)
  expect(config.store.segments.retention).toEqual({ maxAgeMs: undefined, maxBytes: undefined })
  expect(config.node.name).toBe("pi")
  expect(Object.isFrozen(config.store.log)).toBe(true)
  expect(origins.get("store.path")).toBe("--set")
  expect([...origins.keys()]).toEqual(
    [...allKeys().keys()].sort((a, b) => (a === "store.path" ? -1 : b === "store.path" ? 1 : 0)),
  )
})

test("a flag wins over the environment, that over the file, that over the default, and each is named", async () => {
  const yaml = "query:\n  maxRunning: 1\n  maxWaiting: 1\n  maxRows: 1\n"
  const env = { BRUME_QUERY__MAX_RUNNING: "2", BRUME_QUERY__MAX_WAITING: "2" }
  const { config, origins } = await resolveConfig(sources({ flags: { "query.maxRunning": "3" }, env, yaml }))
  expect(config.query).toMatchObject({ maxRunning: 3, maxWaiting: 2, maxRows: 1, timeoutMs: 30_000 })
  const names = ["maxRunning", "maxWaiting", "maxRows", "timeoutMs"].map((name) => origins.get(`query.${name}`))
  expect(names).toEqual(["--set", "BRUME_QUERY__MAX_WAITING", "../etc/brume/brume.yaml:4:3", "default"])
})

test("BRUME_CONFIG names the file where no flag does", async () => {
  const made = sources({ yaml: "node: {name: from-file}" })
  const { file: _, ...without } = made
  const { config } = await resolveConfig({ ...without, environment: { BRUME_CONFIG: "/etc/brume/brume.yaml" } })
  expect(config.node.name).toBe("from-file")
})

test("durations and sizes are written with units or as numbers, in every source alike", async () => {
  const yaml =
    "store:\n  log: {fileBytes: 2MiB, maxDelayMs: 1.5s}\n  tables: {sealAgeMs: 60000}\nquery: {timeoutMs: 2 h}"
  const env = {
    BRUME_STORE__SEGMENTS__RETENTION__MAX_AGE_MS: "7d",
    BRUME_STORE__SEGMENTS__RETENTION__MAX_BYTES: "10GB",
  }
  const { config } = await resolveConfig(sources({ yaml, env, flags: { "api.maxBodyBytes": "4096" } }))
  expect(config.store.log).toMatchObject({ fileBytes: 2 ** 21, maxDelayMs: 1_500 })
  expect(config.store.tables.sealAgeMs).toBe(60_000)
  expect(config.query.timeoutMs).toBe(7_200_000)
  expect(config.store.segments.retention).toEqual({ maxAgeMs: 604_800_000, maxBytes: 1e10 })
  expect(config.api.maxBodyBytes).toBe(4096)
})

test("lists come from YAML lists, and from commas elsewhere", async () => {
  const yaml = "api:\n  allowedHosts:\n    - brume.local\n    - 10.0.0.7\n"
  const { config } = await resolveConfig(
    sources({ yaml, env: { BRUME_API__ALLOWED_ORIGINS: "https://a.example, http://b:1" } }),
  )
  expect(config.api.allowedHosts).toEqual(["brume.local", "10.0.0.7"])
  expect(config.api.allowedOrigins).toEqual(["https://a.example", "http://b:1"])
})

test("a relative data folder is relative to who says so", async () => {
  const relative = { ...sources({ yaml: "store: {path: data}" }), flags: [] }
  expect((await resolveConfig(relative)).config.store.path).toBe("/etc/brume/data")
  expect((await resolveConfig(sources({ flags: { "store.path": "data" } }))).config.store.path).toBe("/work/data")
  expect(await refusal(sources({ flags: { "store.path": "~/data" } }))).toContain("which only a shell understands")
})

test("a name that YAML would take for a number stays as it was written", async () => {
  expect((await resolveConfig(sources({ yaml: "node:\n  name: 007" }))).config.node.name).toBe("007")
})

test("an empty file, comments alone and empty sections are fine", async () => {
  for (const yaml of ["", "  \n", "# nothing\n", "api:\nstore:\n  log:\n", "---\n", "null"])
    expect((await resolveConfig(sources({ yaml }))).config.node.name).toBe("pi")
})

test("all mistakes of all sources are reported together, with their places and what was meant", async () => {
  const yaml = [
    "api:",
    "  listn: 127.0.0.1:1",
    "  maxBodyBytes: many",
    "stroe:",
    "  path: /x",
    "query: 5",
    "node: {name: }",
  ]
  const env = { BRUME_QUERY__TIMEOUT: "5s", BRUME_API_LISTEN: "127.0.0.1:1", BRUME_QUERY__MAX_ROWS: "0" }
  const mistakes = await mistakesOf(sources({ yaml: yaml.join("\n"), env, flags: { sealRows: "1" } }))
  expect(mistakes.map(({ origin, path, problem }) => `${origin} ${path} ${problem}`)).toEqual([
    "../etc/brume/brume.yaml:6:8 query is a section: its keys stand below it, indented",
    "--set sealRows is no key; did you mean store.tables.sealRows?",
    "environment BRUME_QUERY__TIMEOUT is no key; did you mean BRUME_QUERY__TIMEOUT_MS?",
    "environment BRUME_API_LISTEN is no key; did you mean BRUME_API__LISTEN?",
    'BRUME_QUERY__MAX_ROWS query.maxRows "0" is not a whole number from 1 to 1,000,000,000',
    "../etc/brume/brume.yaml:2:3 api.listn is no key; did you mean api.listen?",
    '../etc/brume/brume.yaml:3:3 api.maxBodyBytes "many" is not a size such as 512KiB, 64MiB, 10GB',
    "../etc/brume/brume.yaml:4:1 stroe is no key; did you mean store?",
    "../etc/brume/brume.yaml:7:8 node.name has no value (1 to 63 letters, digits, dots, underscores or hyphens); leave the key out for its default",
  ])
})

test("a value that a stronger source overrides is checked all the same", async () => {
  const made = sources({ flags: { "query.maxRows": "5" }, env: { BRUME_QUERY__MAX_ROWS: "none" } })
  expect(await refusal(made)).toContain("BRUME_QUERY__MAX_ROWS")
})

test("variables of others that begin with BRUME_ are left alone, and empty ones count as not set", async () => {
  const env = {
    BRUME_PORT: "tcp://10.0.0.1:80",
    BRUME_TOKEN: "x",
    BRUME_SERVICE_HOST: "10.0.0.1",
    BRUME_API__LISTEN: "",
  }
  expect((await resolveConfig(sources({ env }))).config.api.listen).toBe("127.0.0.1:7777")
})

test("without a data folder it says how to give one", async () => {
  const { flags: _, ...without } = sources()
  expect(await refusal(without)).toBe(
    "The configuration has a mistake:\n- store.path is missing: give --data DIR, BRUME_STORE__PATH or store.path in the file",
  )
})

test("a file that is no YAML is not said to lack what it may contain", async () => {
  const { flags: _, ...without } = sources({ yaml: "store:\n  path: [" })
  expect(await mistakesOf(without)).toEqual([
    expect.objectContaining({ path: "", origin: "../etc/brume/brume.yaml:2:10" }),
  ])
})

test.each([
  ["api:\n  listen: [1", "brume.yaml:2:13", "is not YAML"],
  ["api:\n\tlisten: x", "brume.yaml:2:1", "is not YAML"],
  ["api: {}\napi: {}", "brume.yaml:2:1", "is not YAML: Map keys must be unique"],
  ["a: 1\n---\nb: 2", "brume.yaml:2:1", "is not YAML"],
  ["- a\n- b", "brume.yaml:1:1", "is a section"],
  ["just text", "brume.yaml:1:1", "is a section"],
  ["api:\n  listen: {host: x}", "brume.yaml:2:3", "is a map, but takes one value"],
  ["api:\n  listen: [a, b]", "brume.yaml:2:3", "is a list, but takes one value"],
  ["__proto__:\n  polluted: 1", "brume.yaml:1:1", "is no key"],
  ["api: {allowedHosts: [[a]]}", "brume.yaml:1:7", "has an item that is no text"],
  ["api: {allowedHosts: {a: b}}", "brume.yaml:1:7", "is a map, but takes a list"],
  ["api: &a {live: *a}", "brume.yaml", "live is no key"],
])("corrupt YAML %j is refused with its place", async (yaml, place, problem) => {
  const message = await refusal(sources({ yaml }))
  expect(message).toContain(place)
  expect(message).toContain(problem)
})

test("a file that is missing, a folder, unreadable, too large or no text is named with the reason", async () => {
  const failing = (code: string) => ({
    ...sources({ yaml: "" }),
    readFile: async () => {
      throw Object.assign(new Error(code), { code })
    },
  })
  expect(await refusal(failing("ENOENT"))).toBe(
    "Cannot read the configuration /etc/brume/brume.yaml: it does not exist",
  )
  expect(await refusal(failing("EISDIR"))).toContain("it is a folder")
  expect(await refusal(failing("EACCES"))).toContain("this user may not read it")
  expect(await refusal(failing("EIO"))).toContain("EIO")
  expect(await refusal(sources({ yaml: new Uint8Array(2 ** 20 + 1).fill(32) }))).toContain("larger than 1 MiB")
  expect(await refusal(sources({ yaml: Uint8Array.of(0x61, 0xff, 0xfe) }))).toContain("not UTF-8")
})

test.each(["localhost:0", "0.0.0.0:7777", "[::1]:7777", "[::]:65535", "brume.example:80"])(
  "listens at %s",
  async (listen) => {
    expect((await resolveConfig(sources({ flags: { "api.listen": listen } }))).config.api.listen).toBe(listen)
  },
)

test.each(["7777", ":7777", "::1:7777", "localhost", "localhost:65536", "http://localhost:1", "a b:1", "x:-1"])(
  "does not listen at %s",
  async (listen) => {
    expect(await refusal(sources({ flags: { "api.listen": listen } }))).toContain("is not HOST:PORT")
  },
)

test.each([
  ["Pi von Jörg.local", "Pi-von-J-rg"],
  ["-..", "node"],
  ["", "node"],
  ["x".repeat(100), "x".repeat(63)],
])("the host name %j becomes the node name %j", async (hostName, name) => {
  expect((await resolveConfig({ ...sources(), hostName })).config.node.name).toBe(name)
})

test("a long list of mistakes is cut in the message, not in the details", async () => {
  const yaml = Array.from({ length: 100 }, (_, index) => `k${index}: 1`).join("\n")
  expect((await refusal(sources({ yaml }))).split("\n")).toHaveLength(32)
  expect(await mistakesOf(sources({ yaml }))).toHaveLength(100)
})

test("every key is described, has its own variable, and its default reads as a value of it", async () => {
  const described = describeConfig().flatMap((section) => section.keys)
  expect(described.map((key) => key.path).sort()).toEqual([...allKeys().keys()].sort())
  expect(new Set(described.map((key) => key.environment)).size).toBe(described.length)
  for (const key of described) expect(key.default || key.defaultMeaning || key.required, key.path).toBeTruthy()
  expect(envName("store.tables.sealRows")).toBe("BRUME_STORE__TABLES__SEAL_ROWS")
})

test("--set takes KEY=VALUE", () => {
  expect(parseSetting("api.allowedOrigins=http://a?x=1")).toEqual({
    flag: "--set",
    key: "api.allowedOrigins",
    value: "http://a?x=1",
  })
  expect(parseSetting("api.listen")).toEqual({ flag: "--set", key: "api.listen", value: "" })
})

test.each([
  ["mqtt.listen", "0.0.0.0:1883"],
  ["mqtt.tls.listen", "[::]:8883"],
  ["mqtt.listen", "brume.example:1883"],
])("anonymous MQTT is refused together with %s %s, and allowed on loopback", async (path, listen) => {
  const anonymous = { "mqtt.allowAnonymous": "true" }
  const mistakes = await mistakesOf(sources({ flags: { ...anonymous, [path]: listen } }))
  expect(mistakes).toMatchObject([{ path: "mqtt.allowAnonymous", origin: "--set" }])
  expect(mistakes[0]!.problem).toContain(`${path} (${listen})`)
  const { config } = await resolveConfig(sources({ flags: { ...anonymous, [path]: "127.0.0.1:1883" } }))
  expect(config.mqtt.allowAnonymous).toBe(true)
  expect((await resolveConfig(sources({ flags: { [path]: listen } }))).config.mqtt.allowAnonymous).toBe(false)
})

test("a certificate without its key, a key without its certificate, and an authority without a listener are mistakes", async () => {
  const one = async (path: string) => (await mistakesOf(sources({ flags: { [path]: "a.pem" } })))[0]?.problem
  expect(await one("mqtt.tls.certificateFile")).toContain("mqtt.tls.keyFile")
  expect(await one("mqtt.tls.keyFile")).toContain("mqtt.tls.certificateFile")
  expect(await one("mqtt.tls.clientAuthorityFile")).toContain("mqtt.tls.listen")
  const { config } = await resolveConfig(sources({ yaml: "mqtt: {tls: {certificateFile: a.pem, keyFile: ../b.pem}}" }))
  expect(config.mqtt.tls).toMatchObject({
    certificateFile: "/etc/brume/a.pem",
    keyFile: "/etc/b.pem",
    listen: undefined,
  })
})

test("a flag key is true or false and nothing else", async () => {
  const mistakes = await mistakesOf(sources({ flags: { "mqtt.allowAnonymous": "yes" } }))
  expect(mistakes[0]?.problem).toContain("neither true nor false")
})
