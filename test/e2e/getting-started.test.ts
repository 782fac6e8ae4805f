/** Every command of docs/guide/getting-started.md, in its order, as a newcomer types it. */
import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { temporaryFolder, until } from "../rig/node-process.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cli = `${root}packages/cli/bin/brume.cjs`

/** The commands of all `sh` blocks; a backslash continues a line. */
async function commands(): Promise<string[]> {
  const guide = await readFile(`${root}docs/guide/getting-started.md`, "utf8")
  return [...guide.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) =>
    (block ?? "")
      .replaceAll("\\\n", " ")
      .split("\n")
      .filter((line) => line.trim() !== ""),
  )
}

interface ShellEnd {
  readonly code: number | null
  readonly output: string
}

function shell(command: string, cwd: string, environment: Record<string, string>): Promise<ShellEnd> {
  return new Promise((resolve) => {
    const child = spawn("sh", ["-c", command], { cwd, env: { ...process.env, ...environment } })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (piece: Buffer) => {
        output += piece.toString()
      })
    }
    child.once("close", (code) => resolve({ code, output }))
  })
}

test("the first page of the guide works as it is written", async (ctx) => {
  if (process.platform === "win32") ctx.skip("the page is written for a POSIX shell")
  if ((await shell("command -v curl", root, {})).code !== 0) ctx.skip("curl is not installed: apt-get install curl")
  const [setUp, up, ...others] = await commands()
  expect([setUp, up]).toEqual(["npm ci && npm run build", "npx brume up"])
  await using folder = await temporaryFolder()
  const node = spawn(process.execPath, [cli, "up"], {
    cwd: folder.path,
    env: { ...process.env, BRUME_API__LISTEN: "127.0.0.1:0", BRUME_LOGGER__LEVEL: "error" },
  })
  try {
    let stdout = ""
    node.stdout.on("data", (piece: Buffer) => {
      stdout += piece.toString()
    })
    await until("the node is ready", () => stdout.includes("\n"))
    const url = /ready (\S+)/.exec(stdout)?.[1] ?? ""
    const outputs = new Map<string, string>()
    for (const command of others) {
      const typed = command
        .replaceAll("npx brume", `"${process.execPath}" "${cli}"`)
        .replaceAll("http://127.0.0.1:7777", url)
      let end = await shell(typed, folder.path, { BRUME_URL: url })
      // What was just acknowledged is visible to SQL a moment later.
      if (command.includes(" query ")) {
        await until(`${command} sees all readings`, async () => {
          end = await shell(typed, folder.path, { BRUME_URL: url })
          return end.output.includes("room-3") || /"n":7/.test(end.output)
        })
      }
      expect(end, command).toMatchObject({ code: 0 })
      outputs.set(command, end.output)
    }
    expect(outputs.get("npx brume get devices")).toContain("cold/room-1")
    expect(outputs.get('npx brume subscribe "devices/#" --count 1')).toMatch(/room-3\/door .*retained.* open/)
    expect([...outputs.values()].at(-1)).toMatch(/brume_/)
  } finally {
    node.kill("SIGKILL")
  }
}, 120_000)
