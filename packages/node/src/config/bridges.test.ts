import { isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { resolveConfig } from "./config.ts"
import type { Mistake } from "./given.ts"

const resolveYaml = (yaml: string, environment: Record<string, string> = {}) =>
  resolveConfig(
    { file: "/etc/brume.yaml", flags: [{ flag: "--set", key: "store.path", value: "/data" }] },
    { environment, workingFolder: "/", hostName: "pi", readFile: async () => Buffer.from(yaml) },
  )

async function mistakesOf(yaml: string): Promise<string[]> {
  const error = await resolveYaml(yaml).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isFogError(error, "config_invalid")) throw new Error("It should have been refused", { cause: error })
  const mistakes = error.details?.mistakes as readonly Mistake[]
  return mistakes.map(({ path, problem }) => `${path} ${problem}`)
}

test("a bridge has its defaults, and its files lie beside the file that names them", async () => {
  const { config } = await resolveYaml(`mqtt:
  bridges:
    - name: hq
      url: mqtts://broker.example.com
      username: site-7
      passwordFile: hq.password
      topics:
        - local: plant/#
          remote: site-7/plant/#
`)
  expect(config.mqtt.bridges).toEqual([
    {
      name: "hq",
      url: "mqtts://broker.example.com",
      protocol: "5.0",
      clientId: undefined,
      username: "site-7",
      passwordFile: "/etc/hq.password",
      passwordVariable: undefined,
      tls: { authorityFile: undefined, certificateFile: undefined, keyFile: undefined },
      topics: [{ direction: "both", local: "plant/#", remote: "site-7/plant/#", qos: "1" }],
      keepAliveMs: 60_000,
      connectTimeoutMs: 30_000,
      firstRetryMs: 1_000,
      maxRetryMs: 60_000,
      maxInflight: 100,
      maxPacketBytes: 1_048_576,
      maxHops: 8,
    },
  ])
})

test("the list can be given as JSON in a variable", async () => {
  const list = JSON.stringify([
    { name: "a", url: "mqtt://[::1]:1884", topics: [{ local: "#", remote: "x/#", qos: 2 }] },
  ])
  const { config } = await resolveYaml("", { BRUME_MQTT__BRIDGES: list })
  expect(config.mqtt.bridges[0]?.topics[0]).toMatchObject({ local: "#", remote: "x/#", qos: "2" })
})

test("all mistakes are named by their paths", async () => {
  const mistakes = await mistakesOf(`mqtt:
  bridges:
    - name: hq
      url: http://broker
      topics:
        - {direction: out, local: plant/#, remote: site-7/+}
        - {local: $SYS/#, remote: x/#}
        - {local: a/b#, remote: $share/g/a}
    - name: hq
      url: mqtt://broker:99999
      keepAlive: 5s
      passwordFile: f
      passwordVariable: P
      tls: {certificateFile: c}
      firstRetryMs: 2m
      topics: []
`)
  expect(mistakes.map((text) => text.replace("mqtt.bridges", ""))).toEqual([
    '[0].url "http://broker" is not mqtt://HOST:PORT or mqtts://HOST:PORT',
    "[0].topics[0].remote has the wildcards + where the other side has the wildcards #; they must be the same, in that order",
    "[0].topics[1].local begins with $, as the node's own topics do",
    "[0].topics[2].local has # elsewhere than as its last level",
    "[0].topics[2].remote begins with $share/: a bridge takes no shared subscriptions",
    "[1].keepAlive is no key; did you mean keepAliveMs?",
    "[1].name is hq, as that of an earlier bridge",
    "[1].url mqtt://broker:99999 has no port that there is",
    "[1].topics is empty: nothing would cross",
    "[1].passwordVariable stands beside passwordFile; give one of them",
    "[1].passwordFile needs username, which is missing",
    "[1].firstRetryMs is longer than maxRetryMs",
    "[1].tls has one of certificateFile and keyFile, which go together",
    "[1].tls needs a url that begins with mqtts:",
  ])
})
