import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { errorRegistry } from "@brume/core"
import { configFlags, describeConfig, documentSchemas, resolveConfig } from "@brume/node"
import { expect, test } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const { pages } = (await import(new URL("docs.mjs", import.meta.url).href)) as {
  pages(code: Readonly<Record<string, unknown>>): Map<string, string>
}
const generated = pages({ errorRegistry, describeConfig, configFlags, schemas: await documentSchemas() })
const example = generated.get("docs/reference/config.example.yaml")!

const resolveYaml = (yaml: string) =>
  resolveConfig(
    { file: "/brume.yaml", flags: [{ flag: "--data", key: "store.path", value: "/data" }] },
    { environment: {}, workingFolder: "/", hostName: "pi", readFile: async () => Buffer.from(yaml) },
  )

test.each([...generated.keys()])("%s is up to date (`npm run docs` writes it)", async (path) => {
  expect(await readFile(`${root}${path}`, "utf8")).toBe(generated.get(path))
})

test("the example file changes nothing as it is", async () => {
  const { origins } = await resolveYaml(example)
  expect([...origins.values()].filter((origin) => origin !== "default")).toEqual(["--data"])
})

test("every line of the example file, uncommented, is valid, and gives the default where there is one", async () => {
  // A password comes from a file or from a variable, never from both.
  const password = example.replace(/^ *# +passwordVariable: .*$/m, "")
  // And a state topic is for commands that a state confirms.
  const either = password.replace(/^( *# +confirm: )none$/m, "$1state")
  const { config, origins } = await resolveYaml(either.replace(/^( *)# (\w+:(?: |$)| {2})/gm, "$1$2"))
  expect([...origins.values()].filter((origin) => origin === "default")).toEqual([])
  const { node, store, mqtt, ...defaults } = (await resolveYaml("")).config
  const mapping = {
    name: "tasmota",
    topic: "tele/{device}/SENSOR",
    device: "tasmota/{device}",
    property: "sensor",
    payload: "auto",
    flatten: "objects",
    select: { "/ENERGY/Power": "power" },
    time: { member: "Time", unit: "auto", zone: "+01:00" },
    tags: { source: "tasmota" },
    multiply: 1,
    add: 0,
  }
  const bridge = {
    name: "headquarters",
    url: "mqtts://broker.example.com:8883",
    protocol: "5.0",
    clientId: "site-7",
    username: "site-7",
    passwordFile: "/etc/brume/headquarters.password",
    tls: {
      authorityFile: "/etc/brume/headquarters.crt",
      certificateFile: "/etc/brume/site-7.crt",
      keyFile: "/etc/brume/site-7.key",
    },
    topics: [{ direction: "both", local: "plant/#", remote: "site-7/plant/#", qos: "1" }],
    keepAliveMs: 60_000,
    connectTimeoutMs: 30_000,
    firstRetryMs: 1_000,
    maxRetryMs: 60_000,
    maxInflight: 100,
    maxPacketBytes: 2 ** 20,
    maxHops: 8,
  }
  const command = {
    name: "zigbee",
    device: "zigbee/{device}",
    command: "set",
    topic: "zigbee2mqtt/{device}/set",
    payload: "{{input}}",
    qos: "1",
    retain: false,
    confirm: "state",
    stateTopic: "zigbee2mqtt/{device}",
    expect: '{"{{command}}": {{input}}}',
  }
  const retention = { maxAgeMs: 90 * 86_400_000, maxBytes: 20 * 2 ** 30 }
  expect(config).toEqual({
    ...defaults,
    devices: { ...defaults.devices, mappings: [mapping], commands: [command] },
    node: { ...node, name: "hall-b" },
    store: { ...store, segments: { ...store.segments, retention } },
    mqtt: {
      ...mqtt,
      listen: "127.0.0.1:1883",
      maxConnectionsPerAddress: 100,
      bridges: [bridge],
      tls: {
        listen: "0.0.0.0:8883",
        certificateFile: "/etc/brume/mqtt.crt",
        keyFile: "/etc/brume/mqtt.key",
        clientAuthorityFile: "/etc/brume/clients.crt",
      },
    },
  })
})
