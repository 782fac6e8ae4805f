/** Every command and program of docs/guide/commands.md, in its order, as somebody who connects a device types it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { startNode, temporaryFolder, until } from "../rig/node-process.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cli = `${root}packages/cli/bin/brume.cjs`
const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).error === undefined
const python = ["python3", "/usr/bin/python3"].find(
  (one) => spawnSync(one, ["-c", "import paho.mqtt.client"]).status === 0,
)

test("devices take commands as the guide says", async (ctx) => {
  if (!has("mosquitto_pub", "--help"))
    ctx.skip("mosquitto's clients are not installed: apt-get install mosquitto-clients")
  if (python === undefined) ctx.skip("there is no python3 with paho.mqtt: apt-get install python3-paho-mqtt")
  const guide = await readFile(`${root}docs/guide/commands.md`, "utf8")
  const blocks = [...guide.matchAll(/```(sh|py|yaml)\n(.*?)```/gs)]
  await using folder = await temporaryFolder()
  const config = join(folder.path, "brume.yaml")
  await writeFile(config, blocks.find(([, language]) => language === "yaml")?.[2] ?? "")
  await using node = await startNode(join(folder.path, "data"), ["--mqtt", "127.0.0.1:0", "--config", config])
  const devices: ChildProcess[] = []
  const env = { ...process.env, BRUME_URL: node.url, BRUME_TOKEN: node.token }
  const outputs: string[] = []
  const here = (text: string): string =>
    text.replaceAll("npx brume", `"${process.execPath}" "${cli}"`).replace(/\b1883\b/g, String(node.mqttPort))
  const execute = (text: string): void => {
    const end = spawnSync("sh", ["-ec", here(text)], { cwd: folder.path, env, encoding: "utf8", timeout: 60_000 })
    expect(end, text).toMatchObject({ status: 0 })
    outputs.push(end.stdout)
  }
  try {
    execute("npx brume credential create fan > fan.password")
    for (const [, language, text = ""] of blocks) {
      if (language === "sh") execute(text)
      if (language !== "py") continue
      const file = join(folder.path, `device-${devices.length}.py`)
      await writeFile(file, here(text))
      const device = spawn(python!, [file], { cwd: folder.path })
      devices.push(device)
      let said = ""
      device.stdout.on("data", (piece: Buffer) => {
        said += piece.toString()
      })
      await until("the device has subscribed", () => said.includes("ready"))
    }
    execute("npx brume command fan turn")
    const [, start, valve, list, twin, fan] = outputs.slice(1)
    expect(start).toBe('{"rpm":900}\n')
    expect(valve).toMatch(/^State +done$/m)
    expect(list).toMatch(/ pump +start +done .*\{"rpm":900\}$/m)
    // Set, and then reported by the device.
    expect(twin).toMatch(/^speed +3 /m)
    expect(fan).toBe("turning\n")
    const twinOf = async (): Promise<{ delta: object }> =>
      (await (await node.request("/v1/devices/pump/twin")).json()) as { delta: object }
    await until("the device has reported", async () => Object.keys((await twinOf()).delta).length === 0)
    const refused = spawnSync(process.execPath, [cli, "command", "pump", "stop"], { env, encoding: "utf8" })
    expect([refused.status, refused.stdout, refused.stderr]).toEqual([
      8,
      "",
      expect.stringContaining("I can only start"),
    ])
  } finally {
    for (const device of devices) device.kill("SIGKILL")
  }
}, 120_000)
