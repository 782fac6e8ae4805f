/**
 * Node-RED as it comes, without its editor, with one flow: mqtt in → switch → function → mqtt out. It is no dependency of this
 * repository: `npm install --prefix ~/.cache/brume-bench node-red@4.1` puts it where it is looked for.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, type Server, serverOf } from "./servers.ts"

const program = join(homedir(), ".cache/brume-bench/node_modules/node-red/red.js")

export const nodeRedIsInstalled = (): boolean => existsSync(program)

export interface Flow {
  readonly port: number
  readonly readingTopic: string
  readonly commandTopic: string
  readonly qos: 0 | 1
}

export async function startNodeRed(flow: Flow): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), "node-red-bench-"))
  const uiPort = await freePort()
  const settings = {
    ...{ uiPort, uiHost: "127.0.0.1", httpAdminRoot: false, httpNodeRoot: false, flowFile: "flows.json" },
    ...{ telemetry: { enabled: false, updateNotification: false }, logging: { console: { level: "info" } } },
  }
  await writeFile(join(folder, "settings.js"), `module.exports = ${JSON.stringify(settings)}\n`)
  await writeFile(join(folder, "flows.json"), JSON.stringify(nodesOf(flow)))
  const started = performance.now()
  const child = spawn(process.execPath, [program, "--userDir", folder, "--settings", join(folder, "settings.js")], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  await new Promise<void>((resolve, reject) => {
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000)
      if (output.includes("Connected to broker")) resolve()
    })
    child.stderr.resume()
    child.once("exit", (code) => reject(new Error(`node-red ended with ${code}: ${output}`)))
  })
  // It subscribes right after it says that it is connected.
  await new Promise((resolve) => setTimeout(resolve, 500))
  return serverOf({ url: "", headers: {}, readyLine: "", child, folder, readyMs: performance.now() - started })
}

function nodesOf({ port, readingTopic, commandTopic, qos }: Flow): readonly object[] {
  const common = { z: "flow", x: 0, y: 0 }
  return [
    { id: "flow", type: "tab", label: "react" },
    {
      ...{ id: "broker", type: "mqtt-broker", name: "", broker: "127.0.0.1", port: String(port), clientid: "node-red" },
      ...{ autoConnect: true, usetls: false, protocolVersion: "4", keepalive: "60", cleansession: true },
    },
    {
      ...{ ...common, id: "in", type: "mqtt in", topic: readingTopic, qos: String(qos), datatype: "auto-detect" },
      ...{ broker: "broker", nl: false, rap: true, rh: 0, inputs: 0, wires: [["switch"]] },
    },
    {
      ...{ ...common, id: "switch", type: "switch", property: "payload", propertyType: "msg", checkall: "true" },
      ...{ rules: [{ t: "gt", v: "30", vt: "num" }], outputs: 1, wires: [["function"]] },
    },
    {
      ...{ ...common, id: "function", type: "function", outputs: 1, wires: [["out"]] },
      func: "msg.payload = { value: Number(msg.payload) }\nreturn msg",
    },
    {
      ...common,
      id: "out",
      type: "mqtt out",
      topic: commandTopic,
      qos: String(qos),
      retain: "",
      broker: "broker",
      wires: [],
    },
  ]
}
