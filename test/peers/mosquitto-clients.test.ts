/** mosquitto_pub and mosquitto_sub, which everybody tries first. */
import { execFile, execFileSync, spawn } from "node:child_process"
import { promisify } from "node:util"
import type { MqttBroker } from "@brume/testkit"
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest"
import { until } from "../rig/node-process.ts"
import { openPeerBroker } from "../rig/peer-broker.ts"

const run = promisify(execFile)
const isInstalled = ((): boolean => {
  try {
    execFileSync("mosquitto_pub", ["--version"], { stdio: "ignore" })
    return true
  } catch (error) {
    // --version ends with an exit code of its own; only a missing program has none.
    return (error as { status?: number | null }).status != null
  }
})()
const requireClients = ({ skip }: TestContext): void => {
  if (!isInstalled) skip("mosquitto_pub and mosquitto_sub are not installed")
}

let broker: MqttBroker
beforeAll(async () => {
  broker = await openPeerBroker()
})
afterAll(() => broker.close())

const address = (version: string): string[] => {
  const { port, credentials } = broker
  const secrets = credentials === undefined ? [] : ["-u", credentials.username, "-P", credentials.password]
  return ["-h", "127.0.0.1", "-p", `${port}`, "-V", version, ...secrets]
}
const publish = (version: string, ...args: string[]) => run("mosquitto_pub", [...address(version), ...args])

/** Into a pipe it would tell of its subscription when its buffer is full. */
const byLine = ["-oL", "mosquitto_sub"]

/** A subscriber that prints a line for each message, running until it has `count`. */
async function subscribe(version: string, count: number, ...args: string[]) {
  const own = [...address(version), "-C", `${count}`, "-W", "10", "-d", ...args]
  const child = spawn("stdbuf", [...byLine, ...own], { stdio: ["ignore", "pipe", "inherit"] })
  let text = ""
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString()
  })
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  await until("the subscription", () => /SUBACK|Subscribed/.test(text))
  return async (): Promise<string[]> => {
    await ended
    // What -d adds is about packets and the subscription.
    return text.split("\n").filter((line) => line.startsWith("> "))
  }
}

describe.each(["mqttv311", "mqttv5"])("mosquitto clients by %s", (version) => {
  const name = (suffix: string): string => `peers/${version}/${suffix}`

  test.for([0, 1, 2])("a message of QoS %i arrives", async (qos, context) => {
    requireClients(context)
    const topic = name(`qos${qos}`)
    const lines = await subscribe(version, 1, "-t", topic, "-q", `${qos}`, "-F", "> %t %q %r %p")
    await publish(version, "-t", topic, "-q", `${qos}`, "-m", "twenty-one")
    expect(await lines()).toEqual([`> ${topic} ${qos} 0 twenty-one`])
  })

  test("a hundred lines of QoS 2 arrive in order", async (context) => {
    requireClients(context)
    const topic = name("many")
    const wanted = Array.from({ length: 100 }, (_, index) => `line-${index}`)
    const lines = await subscribe(version, 100, "-t", topic, "-q", "2", "-F", "> %p")
    const child = run("mosquitto_pub", [...address(version), "-t", topic, "-q", "2", "-l"])
    child.child.stdin!.end(`${wanted.join("\n")}\n`)
    await child
    expect(await lines()).toEqual(wanted.map((line) => `> ${line}`))
  })

  test("a retained message is there for who comes later, until it is deleted", async (context) => {
    requireClients(context)
    const topic = name("retained")
    await publish(version, "-t", topic, "-q", "1", "-r", "-m", "kept")
    const lines = await subscribe(version, 1, "-t", name("#"), "-q", "1", "-F", "> %t %r %p")
    expect(await lines()).toEqual([`> ${topic} 1 kept`])
    await publish(version, "-t", topic, "-q", "1", "-r", "-n")
    const { stdout } = await run("mosquitto_sub", [...address(version), "-t", topic, "-W", "1"]).catch((error) => error)
    expect(stdout).toBe("")
  })

  test("the will of a client that was killed arrives", async (context) => {
    requireClients(context)
    const topic = name("will")
    const lines = await subscribe(version, 1, "-t", topic, "-q", "1", "-F", "> %t %q %p")
    const will = ["--will-topic", topic, "--will-payload", "gone", "--will-qos", "1"]
    const dying = spawn("stdbuf", [...byLine, ...address(version), "-t", name("other"), "-d", ...will], {
      stdio: ["ignore", "pipe", "ignore"],
    })
    await new Promise<void>((resolve) => {
      dying.stdout.on("data", (chunk: Buffer) => /SUBACK/.test(chunk.toString()) && resolve())
    })
    dying.kill("SIGKILL")
    expect(await lines()).toEqual([`> ${topic} 1 gone`])
  })

  test("a persistent session gets what came while it was away", async (context) => {
    requireClients(context)
    const topic = name("session")
    const expiry = version === "mqttv5" ? ["-x", "60"] : []
    const session = ["-i", `peer-${version}`, "-c", ...expiry, "-t", topic, "-q", "1"]
    await run("mosquitto_sub", [...address(version), ...session, "-E"])
    await publish(version, "-t", topic, "-q", "1", "-m", "waited")
    const { stdout } = await run("mosquitto_sub", [...address(version), ...session, "-C", "1", "-W", "10"])
    expect(stdout).toBe("waited\n")
  })
})

test("properties of 5.0 go through", async (context) => {
  requireClients(context)
  const topic = "peers/properties"
  const format = "> %C|%D|%F|%R|%P|%p"
  const lines = await subscribe("mqttv5", 1, "-t", topic, "-q", "1", "-F", format)
  const properties = [
    ["content-type", "text/plain"],
    ["correlation-data", "42"],
    ["payload-format-indicator", "1"],
    ["response-topic", "answers"],
    ["user-property", "b", "1"],
    ["user-property", "a", "2"],
  ].flatMap((property) => ["-D", "publish", ...property])
  await publish("mqttv5", "-t", topic, "-q", "1", "-m", "text", ...properties)
  expect(await lines()).toEqual(["> text/plain|42|1|answers|b:1 a:2|text"])
})
