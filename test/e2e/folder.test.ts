/** What a node does with its data folder when the folder, or who else uses it, is not as it should be. */
import { execFileSync } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { runBrume, startNode, temporaryFolder, until } from "../rig/node-process.ts"

test("a second node on the same folder is refused with the owner's name, and the first goes on", async () => {
  await using folder = await temporaryFolder()
  await using first = await startNode(folder.path)
  const second = await runBrume(["up", "--data", folder.path, "--http", "127.0.0.1:0", "--json"])
  expect(second.code).not.toBe(0)
  expect(second.stderr).toContain("store_locked")
  expect(second.stderr).toContain(String(first.child.pid))
  expect((await first.request("/healthz")).status).toBe(200)
})

test("the folder of a killed node is taken over at once", async () => {
  await using folder = await temporaryFolder()
  const first = await startNode(folder.path)
  await first.end("SIGKILL")
  await using second = await startNode(folder.path)
  expect((await second.request("/healthz")).status).toBe(200)
})

test("a data folder that is a file is named with its remedy", async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, "file")
  await writeFile(path, "")
  const end = await runBrume(["up", "--data", path, "--http", "127.0.0.1:0"])
  expect(end.code).not.toBe(0)
  expect(end.stderr).toContain(path)
})

test("a full disk refuses new readings, keeps the acknowledged ones and accepts again when there is room", async (ctx) => {
  if (process.getuid?.() !== 0) ctx.skip("needs root to mount a small tmpfs")
  await using folder = await temporaryFolder()
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", folder.path], { stdio: "pipe" })
  } catch {
    ctx.skip("this machine does not allow to mount a tmpfs")
  }
  try {
    await using node = await startNode(folder.path, [
      "--set",
      "store.minFreeBytes=4194304",
      "--set",
      "store.tables.sealAgeMs=3600000",
    ])
    let acknowledged = 0
    let refusal: Response | undefined
    // About 1 MB a request in the log.
    const padding = "x".repeat(9_000)
    for (let turn = 0; turn < 60 && refusal === undefined; turn++) {
      const lines = Array.from({ length: 100 }, (_, index) =>
        JSON.stringify({ device: "filler", property: "id", value: turn * 100 + index }),
      )
      lines.push(
        ...Array.from({ length: 100 }, () => JSON.stringify({ device: "filler", property: "padding", value: padding })),
      )
      const answer = await node.request("/v1/readings", {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        body: lines.join("\n"),
      })
      if (answer.ok) acknowledged += 100
      else refusal = answer
    }
    expect(refusal?.status).toBe(507)
    expect(await refusal?.json()).toMatchObject({ code: "store_full", hint: expect.any(String) })
    expect((await node.request("/healthz")).status).toBe(503)
    const count = async (): Promise<number> =>
      (await node.sql<{ n: number }>("SELECT count(DISTINCT value) AS n FROM readings WHERE property = 'id'"))[0]?.n ??
      -1
    expect(await count()).toBe(acknowledged)

    execFileSync("mount", ["-o", "remount,size=64m", folder.path])
    const body = JSON.stringify({ device: "filler", property: "id", value: 1e9 })
    await until(
      "the node accepts again",
      async () =>
        (await node.request("/v1/readings", { method: "POST", body, headers: { "content-type": "application/json" } }))
          .ok,
    )
    expect(await count()).toBe(acknowledged + 1)
    await node.end("SIGKILL")
    await using again = await startNode(folder.path)
    expect(await again.sql("SELECT count(DISTINCT value) AS n FROM readings WHERE property = 'id'")).toEqual([
      { n: acknowledged + 1 },
    ])
  } finally {
    execFileSync("umount", ["-l", folder.path])
  }
})
