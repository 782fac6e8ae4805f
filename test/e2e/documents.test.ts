/** Documents with a real process: the page of the guide as it is written, and a node that is killed as soon as it has answered. */
import { spawnSync } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { type NodeProcess, startNode, temporaryFolder } from "../rig/node-process.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const cli = `${root}packages/cli/bin/brume.cjs`

async function blocks(language: string): Promise<string[]> {
  const guide = await readFile(`${root}docs/guide/documents.md`, "utf8")
  return [...guide.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(([, text]) => text ?? "")
}

test("the guide to documents works as it is written", async (ctx) => {
  if (process.platform === "win32") ctx.skip("the page is written for a POSIX shell")
  await using folder = await temporaryFolder()
  await using node = await startNode(join(folder.path, "data"))
  const [rule = ""] = await blocks("yaml")
  const file = join(folder.path, "cold-room.yaml")
  await writeFile(file, rule)
  const shell = (command: string) => {
    const typed = command.replaceAll("npx brume", `"${process.execPath}" "${cli}"`)
    const env = { ...process.env, BRUME_URL: node.url, BRUME_TOKEN: node.token }
    return spawnSync("sh", ["-c", typed], { cwd: folder.path, env, encoding: "utf8", timeout: 30_000 })
  }
  const outputs: string[] = []
  for (const command of (await blocks("sh")).flatMap((block) => block.trim().split("\n"))) {
    const end = shell(command)
    expect(end, command).toMatchObject({ status: 0 })
    outputs.push(end.stdout)
  }
  expect(outputs[0]).toMatch(/^Rule +cold-room-warm +would be created +cold-room\.yaml$/m)
  expect(outputs[1]).toMatch(/^Rule +cold-room-warm +created +cold-room\.yaml$/m)
  expect(outputs[2]).toMatch(/^cold-room-warm +\S.* hall=b$/m)
  expect(outputs[3]).toContain("  when: value > 8\n")
  await writeFile(file, rule.replace("when:", "wehn:").replace("5m", "five"))
  const wrong = shell("npx brume apply -f cold-room.yaml")
  const [text = ""] = await blocks("text")
  expect([wrong.status, wrong.stderr.split("\n").slice(0, 3)]).toEqual([7, text.trimEnd().split("\n")])
}, 120_000)

const rule = (name: string, when: string) => ({
  apiVersion: "brume.dev/v1",
  kind: "Rule",
  metadata: { name },
  spec: { on: { device: "kill/#" }, when, actions: [{ publish: { topic: "a" } }] },
})

test("what was applied or deleted is so after kill -9, whenever the node has answered", {
  timeout: 120_000,
}, async () => {
  await using folder = await temporaryFolder()
  let node: NodeProcess = await startNode(folder.path)
  try {
    const send = async (method: string, path: string, body?: object): Promise<number> => {
      const headers = { "content-type": "application/json" }
      const answer = await node.request(path, {
        method,
        ...(body === undefined ? {} : { headers, body: JSON.stringify(body) }),
      })
      await answer.arrayBuffer()
      return answer.status
    }
    const killed = async (): Promise<void> => {
      await node.end("SIGKILL")
      node = await startNode(folder.path)
    }
    type Listed = {
      documents: { metadata: { name: string }; spec: { when: string }; status: { generation: number } }[]
    }
    const listed = async () => {
      const { documents } = (await (await node.request("/v1/rules")).json()) as Listed
      return documents.map(({ metadata, spec, status }) => `${metadata.name} ${spec.when} ${status.generation}`)
    }
    expect(await send("POST", "/v1/documents", [rule("a", "value > 1"), rule("b", "value > 1")] as object)).toBe(200)
    await killed()
    expect(await listed()).toEqual(["a value > 1 1", "b value > 1 1"])
    expect(await send("PUT", "/v1/documents/Rule/a", rule("a", "value > 2"))).toBe(200)
    await killed()
    expect(await listed()).toEqual(["a value > 2 2", "b value > 1 1"])
    expect(await send("DELETE", "/v1/documents/Rule/b")).toBe(204)
    await killed()
    expect(await listed()).toEqual(["a value > 2 2"])
  } finally {
    await node.end("SIGKILL")
  }
})
