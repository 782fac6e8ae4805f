/** paho-mqtt, the client of most Python programs. */
import { execFile, execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { MqttBroker } from "@brume/testkit"
import { afterAll, beforeAll, expect, test } from "vitest"
import { openPeerBroker } from "../rig/peer-broker.ts"

const python = "/usr/bin/python3"
const script = fileURLToPath(new URL("paho_client.py", import.meta.url))
/** The script speaks to paho 1; its successor has other callbacks. */
const isInstalled = ((): boolean => {
  try {
    const check = "import paho.mqtt, sys; sys.exit(not paho.mqtt.__version__.startswith('1.'))"
    execFileSync(python, ["-I", "-c", check], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

let broker: MqttBroker
beforeAll(async () => {
  broker = await openPeerBroker()
})
afterAll(() => broker.close())

test.for([4, 5])("paho keeps its promises in version %i", { timeout: 90_000 }, async (version, { skip }) => {
  if (!isInstalled) skip("paho-mqtt 1 is not installed for /usr/bin/python3")
  const { port, credentials } = broker
  const secrets = credentials === undefined ? [] : [credentials.username, credentials.password]
  const { stdout } = await promisify(execFile)(python, ["-I", script, `${port}`, `${version}`, ...secrets])
  const turns = (count: number): string[] => Array.from({ length: count }, (_, turn) => `${turn}`)
  expect(JSON.parse(stdout)).toEqual({
    qos0: turns(50),
    qos1: turns(50),
    qos2: turns(50),
    retained: [["kept", 1, true]],
    will: [["gone", 1, false]],
    session: [true, turns(10)],
    ...(version === 5
      ? {
          properties: [
            "text/plain",
            "answers",
            "00ff",
            [
              ["b", "1"],
              ["a", "2"],
              ["b", "3"],
            ],
          ],
        }
      : {}),
  })
})
