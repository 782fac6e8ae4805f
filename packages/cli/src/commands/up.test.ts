import { expect, test } from "vitest"
import { brume } from "../../../../test/rig/recorded-terminal.ts"
import { settingsOf } from "./up.ts"

test("flags become settings before those of --set; one without a value means true", () => {
  const flags = { mqtt: "127.0.0.1:1883", mqtts: "[::]:8883", insecureMqtt: true, set: ["mqtt.maxTopicLevels=9"] }
  expect(settingsOf(flags)).toEqual([
    { flag: "--mqtt", key: "mqtt.listen", value: "127.0.0.1:1883" },
    { flag: "--mqtts", key: "mqtt.tls.listen", value: "[::]:8883" },
    { flag: "--insecure-mqtt", key: "mqtt.allowAnonymous", value: "true" },
    { flag: "--set", key: "mqtt.maxTopicLevels", value: "9" },
  ])
  expect(settingsOf({})).toEqual([])
})

test("a node does not start with anonymous MQTT that other machines reach", async () => {
  const { code, stderr } = await brume(["up", "--mqtt", "0.0.0.0:1883", "--insecure-mqtt"])
  expect(code).toBe(2)
  expect(stderr).toContain("--insecure-mqtt: mqtt.allowAnonymous would let clients without a password in")
})
