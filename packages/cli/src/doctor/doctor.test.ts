import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { brume, folder } from "../../../../test/rig/recorded-terminal.ts"
import { json, problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"

const status = {
  node: "gateway",
  version: "0.1.0",
  epoch: "5f0c6b1d2e3a4958",
  started: "2025-01-01T00:00:00.000000Z",
  time: new Date().toISOString(),
  store: {
    epoch: "5f0c6b1d2e3a4958",
    nextSeq: 10,
    durableSeq: 10,
    appliedSeq: 10,
    logBytes: 100,
    logFiles: 1,
    segmentBytes: 0,
    segmentFiles: 0,
    segmentRows: 0,
    tableRows: 10,
    damaged: [],
    state: "accepting",
  },
  token: { id: "k", name: "admin", scopes: ["admin"] },
}

test("describe node tells its state", async () => {
  await using node = await scriptedNode((_request, response) => json(response, status))
  const end = await brume(["describe", "node", "--url", node.url])
  expect(end.stdout).toMatch(/^Ingest +accepting$/m)
  expect(JSON.parse((await brume(["describe", "node", "--url", node.url, "--json"])).stdout)).toEqual(status)
})

test("the doctor finds a well node well", async () => {
  await using node = await scriptedNode((_request, response) =>
    json(response, { ...status, time: new Date().toISOString() }),
  )
  const path = await folder()
  const data = join(path, ".brume/node")
  await mkdir(data, { recursive: true, mode: 0o700 })
  await writeFile(join(data, "admin-token"), "s", { mode: 0o600 })
  const end = await brume(["doctor", "--url", node.url, "--json"], {
    folder: path,
    environment: { UV_THREADPOOL_SIZE: "12" },
  })
  const { ok, checks } = JSON.parse(end.stdout) as { ok: boolean; checks: { name: string; state: string }[] }
  expect(checks.filter(({ state }) => state !== "ok")).toEqual([])
  expect({ ok, code: end.code }).toEqual({ ok: true, code: 0 })
})

test("the doctor names what is wrong, each with a remedy", async () => {
  const store = { ...status.store, state: "full", damaged: [{ fromSeq: 1, toSeq: 4, file: "log/x.log" }] }
  await using node = await scriptedNode((_request, response) =>
    json(response, { ...status, version: "9.9.9", time: "2020-01-01T00:00:00Z", store }),
  )
  const path = await folder()
  await mkdir(join(path, "quarantine"))
  await writeFile(join(path, "quarantine/piece"), "")
  await writeFile(join(path, "admin-token"), "s", { mode: 0o644 })
  await writeFile(join(path, "lock"), "")
  const end = await brume(["doctor", "--url", node.url, "--data", path, "--json"], { folder: path })
  const { checks } = JSON.parse(end.stdout) as { checks: { name: string; state: string; remedy?: string }[] }
  const state = Object.fromEntries(checks.map((check) => [check.name, check.state]))
  expect(end.code).toBe(1)
  expect(state).toMatchObject({
    "Thread pool": "warn",
    Owner: "warn",
    "Admin token": "warn",
    Quarantine: "warn",
    Versions: "warn",
    "Node's clock": "warn",
    Ingest: "fail",
    "Stored data": "fail",
  })
  for (const check of checks) if (check.state === "warn" || check.state === "fail") expect(check.remedy).toMatch(/\w/)
})

test("the doctor tells a dead address from a refused token", async () => {
  await using node = await scriptedNode((_request, response) => problem(response, 401, { code: "unauthenticated" }))
  const refused = JSON.parse((await brume(["doctor", "--url", node.url, "--json"])).stdout) as {
    checks: { name: string; state: string }[]
  }
  expect(refused.checks).toContainEqual(expect.objectContaining({ name: "Node", state: "ok" }))
  expect(refused.checks).toContainEqual(expect.objectContaining({ name: "Token", state: "fail" }))
  await node.vanish()
  const dead = await brume(["doctor", "--url", node.url])
  expect(dead.code).toBe(1)
  expect(dead.stdout).toMatch(/^fail {2}Node /m)
  await node.open()
})
