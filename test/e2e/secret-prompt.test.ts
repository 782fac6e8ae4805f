/** `brume secret set` at a terminal: what is typed is not shown. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { runBrume, startNode, temporaryFolder, until } from "../rig/node-process.ts"

const cli = fileURLToPath(new URL("../../packages/cli/bin/brume.cjs", import.meta.url))

test("a secret that is typed is set, corrected by backspace, and not shown", async ({ skip }) => {
  if (spawnSync("script", ["--version"]).error !== undefined) skip("script(1) of util-linux is not installed")
  await using folder = await temporaryFolder()
  await using node = await startNode(folder.path)
  const access = ["--url", node.url, "--token-file", join(folder.path, "admin-token")]
  const command = [process.execPath, cli, "secret", "set", "chat", ...access].map((word) => `'${word}'`).join(" ")
  const child = spawn("script", ["-qec", command, "/dev/null"])
  let shown = ""
  child.stdout.on("data", (piece: Buffer) => {
    shown += piece.toString()
  })
  await until("it asks", () => shown.includes("not shown"))
  child.stdin.write("sesamx\u007fe\r")
  const [code] = (await once(child, "close")) as [number]
  expect(code, shown).toBe(0)
  expect(shown).toContain("The secret chat is set.")
  expect(shown).not.toMatch(/sesam/)
  const list = await runBrume(["secret", "list", "--json", ...access])
  expect(JSON.parse(list.stdout)).toMatchObject([{ name: "chat" }])
}, 60_000)
