/**
 * The closed loop with clients that are not ours: what mosquitto_pub says is a reading, a rule acts on it, paho carries out
 * the command and answers, mosquitto_sub hears, functions and a web server are called, and each effect has its outcome.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process"
import { mkdir, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { type NodeProcess, startNode, temporaryFolder, until } from "../rig/node-process.ts"
import { python, withoutPython } from "../rig/python.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cli = `${root}packages/cli/bin/brume.cjs`
const device = `${root}test/peers/paho_device.py`
const hasMosquitto = ((): boolean => {
  try {
    execFileSync("mosquitto_pub", ["--version"], { stdio: "ignore" })
    return true
  } catch (error) {
    // --version ends with an exit code of its own; only a missing program has none.
    return (error as { status?: number | null }).status != null
  }
})()

const documents = (webhook: string): string => `
apiVersion: brume.dev/v1
kind: Rule
metadata: { name: too-hot }
spec:
  on: { device: oven, property: temperature }
  when: value > 200
  clearWhen: value < 150
  severity: critical
  actions:
    - command: { device: valve, name: close, input: { celsius: "{{ value }}" }, deadline: 20s }
    - command: { device: fan, name: run, input: { celsius: "{{ value }}" }, deadline: 20s }
    - publish: { topic: "alerts/{{ device }}", payload: { celsius: "{{ value }}" }, qos: 1 }
    - alarm: { name: too-hot, message: "{{ value }} °C" }
    - function: { name: note-ts, input: { celsius: "{{ value }}" } }
    - function: { name: note-py, input: { celsius: "{{ value }}" } }
    - webhook: { url: "${webhook}", body: { celsius: "{{ value }}" } }
---
apiVersion: brume.dev/v1
kind: Rule
metadata: { name: in-place }
spec:
  on: { device: "+", property: active }
  actions:
    - publish: { topic: "alerts/{{ device }}", payload: { active: "{{ value }}" }, qos: 1 }
`

const functions = {
  "note-ts": [
    "main.ts",
    `import type { FunctionContext } from "@brume/sdk"

export default async (event: { celsius: number }, ctx: FunctionContext) => {
  await ctx.publish("notes/ts", { celsius: event.celsius, key: ctx.key }, { qos: 1 })
}
`,
  ],
  "note-py": [
    "main.py",
    `def handler(event, ctx):
    ctx.publish("notes/py", {"celsius": event["celsius"], "key": ctx.key}, qos=1)
`,
  ],
} as const

interface Shown {
  readonly key: string
  readonly type: string
  readonly target: string
  readonly state: string
  readonly source: string
}

/** A program that goes on, its lines as they come. */
function listen(command: string, args: readonly string[]): { readonly lines: string[]; readonly child: ChildProcess } {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] })
  const lines: string[] = []
  let rest = ""
  child.stdout.on("data", (piece: Buffer) => {
    const pieces = (rest + piece.toString()).split("\n")
    rest = pieces.pop()!
    lines.push(...pieces)
  })
  return { lines, child }
}

/** One folder, with `brume.yaml` and the code. */
async function writeFunction(folder: string, name: keyof typeof functions): Promise<string> {
  const [entry, code] = functions[name]
  const path = join(folder, name)
  await mkdir(path)
  const runtime = entry.endsWith(".py") ? "python" : "typescript"
  const manifest = `apiVersion: brume.dev/v1\nkind: Function\nmetadata: { name: ${name} }\n`
  await writeFile(join(path, "brume.yaml"), `${manifest}spec: { runtime: ${runtime}, entry: ${entry} }\n`)
  await writeFile(join(path, entry), code)
  return path
}

function brumeAt(node: NodeProcess): (...args: string[]) => Promise<string> {
  const env = { ...process.env, BRUME_URL: node.url, BRUME_TOKEN: node.token }
  return async (...args) => (await promisify(execFile)(process.execPath, [cli, ...args], { env })).stdout
}

test("mosquitto_pub → rule → command to paho, function, webhook, alarm, mosquitto_sub; all with outcomes", {
  timeout: 120_000,
}, async ({ skip }) => {
  if (!hasMosquitto) skip("mosquitto's clients are not installed: apt-get install mosquitto-clients")
  const missing = withoutPython("paho.mqtt.client", "python3-paho-mqtt")
  if (missing !== undefined) skip(missing)
  const called: { readonly key: string; readonly body: unknown }[] = []
  const host = createServer((request, response) => {
    let body = ""
    request.on("data", (piece: Buffer) => {
      body += piece.toString()
    })
    request.on("end", () => {
      called.push({ key: String(request.headers["idempotency-key"]), body: JSON.parse(body) })
      response.end()
    })
  })
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve))
  const { port } = host.address() as AddressInfo
  await using folder = await temporaryFolder()
  const allow = ["--set", `effects.webhooks.allow=127.0.0.1:${port}`]
  await using node = await startNode(join(folder.path, "data"), ["--mqtt", "127.0.0.1:0", ...allow])
  const brume = brumeAt(node)
  const json = async <Item>(...args: string[]): Promise<Item[]> => JSON.parse(await brume(...args, "--json")) as Item[]
  const children: ChildProcess[] = []
  try {
    const manifest = join(folder.path, "rules.yaml")
    await writeFile(manifest, documents(`http://127.0.0.1:${port}/hook`))
    for (const name of ["note-ts", "note-py"] as const)
      await brume("deploy", await writeFunction(folder.path, name), "--accept-unsandboxed")
    await brume("apply", "-f", manifest)
    const devices = await Promise.all(
      [["valve", "5"] as const, ["fan", "4"] as const].map(async ([name, version]) => {
        const password = join(folder.path, `${name}.password`)
        await writeFile(password, await brume("credential", "create", name))
        return listen(python, ["-I", device, String(node.mqttPort), version, name, password])
      }),
    )
    children.push(...devices.map(({ child }) => child))
    const address = ["-h", "127.0.0.1", "-p", String(node.mqttPort), "-u", "person", "-P", node.token]
    const hears = ["mosquitto_sub", ...address, "-t", "alerts/#", "-t", "notes/#", "-q", "1", "-d", "-F", "> %t %p"]
    // Into a pipe it would tell of its subscription when its buffer is full.
    const listener = listen("stdbuf", ["-oL", ...hears])
    children.push(listener.child)
    await until("the device of 5.0 is ready", () => devices[0]!.lines.length > 0)
    await until("the device of 3.1.1 is ready", () => devices[1]!.lines.length > 0)
    await until("the listener is ready", () => listener.lines.some((line) => /SUBACK|Subscribed/.test(line)))
    const publish = (celsius: number) =>
      promisify(execFile)("mosquitto_pub", [
        ...[...address, "-t", "devices/oven/temperature", "-q", "1", "-m", String(celsius)],
      ])

    await publish(250)
    const effectsOf = () => json<Shown>("get", "effects", "--source", "rule/too-hot")
    await until("every effect has ended", async () => {
      const effects = await effectsOf()
      return effects.length === 7 && effects.every(({ state }) => state !== "pending")
    })
    const effects = await effectsOf()
    const keyOf = (type: string, target: string) =>
      effects.find((effect) => effect.type === type && effect.target === target)?.key
    expect(effects.map(({ type, target, state }) => `${type} ${target} ${state}`).sort()).toEqual([
      "alarm too-hot@oven done",
      "command fan/run done",
      "command valve/close done",
      "function note-py done",
      "function note-ts done",
      "publish alerts/oven done",
      `webhook 127.0.0.1:${port} done`,
    ])

    const commands = await json<Record<string, unknown>>("get", "commands")
    const commandOf = (name: string) => commands.find((command) => command["device"] === name)
    const input = { celsius: 250 }
    for (const name of ["valve", "fan"])
      expect(commandOf(name)).toMatchObject({
        ...{ state: "done", input, attempts: 1, source: "rule/too-hot", output: { by: name, took: input } },
      })
    const told = devices.map(({ lines }) => lines.slice(1).map((line) => JSON.parse(line) as object))
    const { id: valveId } = commandOf("valve")!
    expect(told[0]).toEqual([{ command: "close", id: valveId, input, correlation: valveId }])
    expect(told[1]).toEqual([{ command: "run", id: commandOf("fan")!["id"], input }])

    await until("five messages", () => listener.lines.filter((line) => line.startsWith("> ")).length >= 5)
    const heard = listener.lines.filter((line) => line.startsWith("> "))
    expect(heard.sort()).toEqual([
      '> alerts/fan {"active":1}',
      '> alerts/oven {"celsius":250}',
      '> alerts/valve {"active":1}',
      `> notes/py {"celsius":250,"key":"${keyOf("function", "note-py")}"}`,
      `> notes/ts {"celsius":250,"key":"${keyOf("function", "note-ts")}"}`,
    ])
    expect(called).toEqual([{ key: keyOf("webhook", `127.0.0.1:${port}`), body: { celsius: 250 } }])

    const alarms = () => json<object>("get", "alarms")
    expect(await alarms()).toMatchObject([
      { id: "too-hot@oven", state: "raised", severity: "critical", message: "250 °C", count: 1 },
    ])
    // Still hot: it is told already.
    await publish(260)
    await publish(100)
    await until("the alarm is cleared", async () => JSON.stringify(await alarms()).includes('"cleared"'))
    expect(await alarms()).toMatchObject([{ id: "too-hot@oven", state: "cleared", count: 1 }])
    expect(await json<object>("get", "commands")).toHaveLength(2)
    expect(called).toHaveLength(1)
    expect(await node.sql("SELECT value FROM readings WHERE device = 'oven' ORDER BY seq")).toEqual(
      [250, 260, 100].map((value) => ({ value })),
    )
  } finally {
    for (const child of children) child.kill("SIGKILL")
    host.closeAllConnections()
    host.close()
  }
})
