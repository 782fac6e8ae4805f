/** Every file and command of docs/guide/functions.md, in its order, as somebody who writes a first function types it. */
import { spawn } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { temporaryFolder, until } from "../rig/node-process.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cli = `${root}packages/cli/bin/brume.cjs`

interface Step {
  /** Where its text is written; undefined for commands. */
  readonly file: string | undefined
  readonly text: string
}

async function steps(): Promise<Step[]> {
  const guide = await readFile(`${root}docs/guide/functions.md`, "utf8")
  return [...guide.matchAll(/(?:`([\w/.-]+)`:\n)?```(\w+)\n(.*?)```/gs)].flatMap(([, file, language, text = ""]) =>
    language === "sh"
      ? text
          .trim()
          .split("\n")
          .map((line) => ({ file: undefined, text: line }))
      : [{ file, text }],
  )
}

function execute(command: string, folder: string, url: string): Promise<{ code: number | null; output: string }> {
  const here = command.replaceAll("npx brume", `"${process.execPath}" "${cli}"`)
  return new Promise((resolve) => {
    const child = spawn("sh", ["-c", here], { cwd: folder, env: { ...process.env, BRUME_URL: url } })
    let output = ""
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (piece: Buffer) => {
        output += piece.toString()
      })
    child.once("close", (code) => resolve({ code, output }))
  })
}

test("functions are written, deployed and called as the guide says", async () => {
  await using folder = await temporaryFolder()
  const node = spawn(process.execPath, [cli, "up", "--http", "127.0.0.1:0"], {
    cwd: folder.path,
    env: { ...process.env, BRUME_LOGGER__LEVEL: "error" },
  })
  try {
    let stdout = ""
    node.stdout.on("data", (piece: Buffer) => {
      stdout += piece.toString()
    })
    await until("the node is ready", () => stdout.includes("\n"))
    const url = /ready (\S+) /.exec(stdout)?.[1] ?? ""
    const outputs = new Map<string, string>()
    for (const { file, text } of await steps()) {
      if (file === undefined) {
        const { code, output } = await execute(text, folder.path, url)
        expect(code, `${text}\n${output}`).toBe(0)
        outputs.set(text, output)
      } else {
        const path = join(folder.path, file)
        await mkdir(dirname(path), { recursive: true })
        await writeFile(path, text)
      }
    }
    const outputOf = (part: string) => [...outputs].find(([command]) => command.includes(part))?.[1]
    expect(outputOf("deploy cold-chain")).toBe("cold-chain: version 1 is in force\n")
    expect(outputOf("invoke cold-chain")).toBe("true\n")
    expect(outputOf("get functions")).toMatch(/^drift +ready +1 +python/m)
    expect(outputOf("rollback")).toContain("There is no version of cold-chain before 1")
    expect(outputOf("secret list")).toMatch(/^chat-token/m)
  } finally {
    node.kill("SIGKILL")
  }
}, 120_000)
