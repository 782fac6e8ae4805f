/** Every command and program of docs/guide/mqtt.md, in its order, as somebody who connects a device types it. */
import { spawn, spawnSync } from "node:child_process"
import { readFile, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { temporaryFolder, until } from "../rig/node-process.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cli = `${root}packages/cli/bin/brume.cjs`
const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).error === undefined
const python = ["python3", "/usr/bin/python3"].find(
  (one) => spawnSync(one, ["-c", "import paho.mqtt.publish"]).status === 0,
)

interface Step {
  readonly language: string
  readonly text: string
}

/** Lines of `sh` one by one, programs as a whole. */
async function steps(): Promise<Step[]> {
  const guide = await readFile(`${root}docs/guide/mqtt.md`, "utf8")
  return [...guide.matchAll(/```(sh|py|js)\n(.*?)```/gs)].flatMap(([, language = "", text = ""]) =>
    (language === "sh" ? text.trim().split("\n") : [text]).map((part) => ({ language, text: part })),
  )
}

test("a device is connected as the guide says", async (ctx) => {
  if (!has("mosquitto_pub", "--help"))
    ctx.skip("mosquitto's clients are not installed: apt-get install mosquitto-clients")
  if (python === undefined) ctx.skip("there is no python3 with paho.mqtt: apt-get install python3-paho-mqtt")
  const [up, ...others] = await steps()
  expect(up?.text).toBe("npx brume up --mqtt 127.0.0.1:1883")
  await using folder = await temporaryFolder()
  const node = spawn(process.execPath, [cli, "up", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"], {
    cwd: folder.path,
    env: { ...process.env, BRUME_LOGGER__LEVEL: "error" },
  })
  try {
    let stdout = ""
    node.stdout.on("data", (piece: Buffer) => {
      stdout += piece.toString()
    })
    await until("the node is ready", () => stdout.includes("\n"))
    const [, url = "", port = ""] = /ready (\S+) mqtt:\/\/127\.0\.0\.1:(\d+) /.exec(stdout) ?? []
    const outputs = new Map<string, string>()
    // Where the program finds the package mqtt.
    await symlink(join(root, "node_modules"), join(folder.path, "node_modules"))
    const execute = (command: string, args: readonly string[]): void => {
      const end = spawnSync(command, args, {
        cwd: folder.path,
        env: { ...process.env, BRUME_URL: url },
        encoding: "utf8",
        timeout: 30_000,
      })
      expect(end, `${command} ${args.join(" ")}`).toMatchObject({ status: 0 })
      outputs.set(args.at(-1) ?? "", end.stdout)
    }
    const here = (text: string): string =>
      text.replaceAll("npx brume", `"${process.execPath}" "${cli}"`).replace(/\b1883\b/g, port)
    for (const { language, text } of others) {
      if (language === "sh") execute("sh", ["-c", here(text)])
      else {
        const file = join(folder.path, language === "js" ? "connect.mjs" : "connect.py")
        await writeFile(file, here(text))
        execute(language === "js" ? process.execPath : python!, [file])
      }
    }
    const outputOf = (part: string) => [...outputs].find(([command]) => command.includes(part))?.[1]
    expect(outputOf("SELECT property")).toMatch(
      /door.*closed.*humidity.*48.*power.*118.*temperature.*21\.5.*window.*closed/s,
    )
    expect(outputOf("subscribe")).toMatch(/^devices\/room-1\/window .*retained.* closed$/m)
  } finally {
    node.kill("SIGKILL")
  }
}, 120_000)
