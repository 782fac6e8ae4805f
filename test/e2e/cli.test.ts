/** The `brume` command as people run it: built, in processes of its own, against a real node. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test, vi } from "vitest"
import { type CommandEnd, type NodeProcess, runBrume, startNode, temporaryFolder, until } from "../rig/node-process.ts"

// Each command is a process of its own: on a small, busy machine they add up.
vi.setConfig({ testTimeout: 120_000 })

const cli = fileURLToPath(new URL("../../packages/cli/bin/brume.cjs", import.meta.url))

interface At {
  readonly folder: string
  readonly node: NodeProcess
  /** Runs a command at this node with its admin token. */
  run(args: readonly string[], input?: string): Promise<CommandEnd>
}

async function atNode(check: (at: At) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder()
  await using node = await startNode(folder.path)
  const access = ["--url", node.url, "--token-file", join(folder.path, "admin-token")]
  await check({ folder: folder.path, node, run: (args, input) => runBrume([...args, ...access], input) })
}

const parsed = (end: CommandEnd): unknown => {
  expect(end).toMatchObject({ code: 0, stderr: "" })
  return JSON.parse(end.stdout)
}

test("up prints one line, keeps its token to itself, and ends cleanly", async () => {
  await using folder = await temporaryFolder()
  const child = spawn(process.execPath, [cli, "up", "--data", folder.path, "--http", "127.0.0.1:0"])
  let stdout = ""
  child.stdout.on("data", (piece: Buffer) => {
    stdout += piece.toString()
  })
  let stderr = ""
  child.stderr.on("data", (piece: Buffer) => {
    stderr += piece.toString()
  })
  await until("it is ready", () => stdout.includes("\n"))
  const token = await stat(join(folder.path, "admin-token"))
  expect(token.mode & 0o777).toBe(0o600)
  expect(stderr).toContain((await readFile(join(folder.path, "admin-token"), "utf8")).trim())
  child.kill("SIGINT")
  const [code] = (await once(child, "close")) as [number]
  expect(code).toBe(0)
  expect(stdout).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+ in \d+ ms\n$/)
})

test("query --json prints an array of row objects", () =>
  atNode(async ({ run }) => {
    expect(parsed(await run(["query", "--json", "SELECT 1 AS a, 'x' AS b, NULL AS c"]))).toEqual([
      { a: 1, b: "x", c: null },
    ])
    expect(parsed(await run(["query", "--json", "SELECT * FROM readings"]))).toEqual([])
  }))

test("what write stores, query, get, describe and watch show", () =>
  atNode(async ({ run, node }) => {
    const access = ["--url", node.url, "--token", node.token]
    const watching = runBrume(["watch", "cold/#", "--json", "--count", "3", ...access])
    const isWatched = async (): Promise<boolean> =>
      /^brume_api_live_connections 1$/m.test(await (await node.request("/metrics")).text())
    await until("somebody watches", isWatched)
    expect(
      parsed(await run(["write", "--json", "cold/room-1/temperature=4.2", "cold/room-1/door=open", "--tag", "hall=b"])),
    ).toMatchObject({ accepted: 2 })
    const lines = '{"device":"cold/room-2","property":"count","value":9007199254740993}\n'
    expect(parsed(await run(["write", "--json"], lines))).toEqual({ accepted: 1, refused: 0 })

    const seen = (await watching).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(
      seen.map(({ device, property, value, text, json, tags }) => [device, property, value ?? text, json, tags]),
    ).toEqual([
      ["cold/room-1", "temperature", 4.2, null, '{"hall":"b"}'],
      ["cold/room-1", "door", "open", null, '{"hall":"b"}'],
      ["cold/room-2", "count", 9007199254740992, "9007199254740993", "{}"],
    ])
    const select = "SELECT device, property, value, text, json FROM latest ORDER BY device, property"
    await until("SQL sees them", async () => (parsed(await run(["query", "--json", select])) as unknown[]).length === 3)
    expect(parsed(await run(["query", "--json", select]))).toEqual([
      { device: "cold/room-1", property: "door", value: null, text: "open", json: null },
      { device: "cold/room-1", property: "temperature", value: 4.2, text: null, json: null },
      { device: "cold/room-2", property: "count", value: 9007199254740992, text: null, json: 9007199254740992 },
    ])
    // What JSON.parse above has rounded is exact in the text.
    expect((await run(["query", "--json", select])).stdout).toContain('"json":9007199254740993')
    const devices = parsed(await run(["get", "devices", "--json"])) as { device: string }[]
    expect(devices.map(({ device }) => device)).toEqual(["cold/room-1", "cold/room-2"])
    expect((await run(["describe", "device", "cold/room-1"])).stdout).toMatch(/^temperature +4\.2 /m)
    expect((await run(["describe", "device", "nowhere"])).code).toBe(5)
    expect((await run(["describe", "node"])).stdout).toMatch(/^Ingest +accepting$/m)
  }))

test("a stream with bad lines: the good ones are stored, the bad ones named", () =>
  atNode(async ({ run }) => {
    const lines = Array.from({ length: 12_000 }, (_, id) => JSON.stringify({ device: "d", property: "id", value: id }))
    lines[5] = "{nonsense"
    lines[7_000] = '{"device":"d","property":"id","value":null}'
    const end = await run(["write"], lines.join("\n"))
    expect(end.code).toBe(7)
    expect(end.stdout).toBe("11,998 readings stored\n")
    expect(end.stderr).toContain("refused line 6:")
    expect(end.stderr).toContain("refused line 7001:")
    const count = "SELECT count(DISTINCT value) AS n FROM readings"
    await until("SQL sees them", async () => {
      const [row] = parsed(await run(["query", "--json", count])) as { n: number }[]
      return row?.n === 11_998
    })
  }))

test("CSV, Arrow and line protocol", () =>
  atNode(async ({ run, folder, node }) => {
    await writeFile(
      join(folder, "weather.csv"),
      "time,temperature,sky\n2025-01-01T00:00:00Z,4.5,clear\n2025-01-01T01:00:00Z,5,\n",
    )
    expect(
      (await run(["write", "--format", "csv", "--device", "station", "--file", join(folder, "weather.csv")])).stdout,
    ).toBe("3 readings stored\n")
    expect((await run(["write", "--format", "line", "--precision", "s"], "room,host=h t=1 1735689600\n")).stdout).toBe(
      "1 line stored\n",
    )
    const select = "SELECT device, property, value FROM readings WHERE value IS NOT NULL ORDER BY device, time"
    await until("SQL sees them", async () => (await node.sql("SELECT * FROM readings")).length === 4)
    const csv = await run(["query", "--format", "csv", select])
    expect(csv.stdout.trim().split(/\r?\n/)).toHaveLength(4)
    const arrow = await run(["query", "--format", "arrow", select])
    expect(arrow.stdout.length).toBeGreaterThan(100)
  }))

test("tokens: a limited one writes its devices alone and is refused SQL; a revoked one opens nothing", () =>
  atNode(async ({ run, node }) => {
    const created = await run([
      "token",
      "create",
      "gateway",
      "--scope",
      "write",
      "--scope",
      "read",
      "--device",
      "cold/#",
    ])
    expect(created.code).toBe(0)
    const secret = created.stdout.trim()
    const limited = ["--url", node.url, "--token", secret]
    expect((await runBrume(["write", "cold/a/t=1", ...limited])).code).toBe(0)
    expect((await runBrume(["write", "warm/a/t=1", ...limited])).code).toBe(4)
    const refused = await runBrume(["query", "--json", "SELECT 1", ...limited])
    expect(refused.code).toBe(4)
    expect(JSON.parse(refused.stderr)).toMatchObject({ code: "forbidden", hint: expect.any(String) })
    const tokens = parsed(await run(["get", "tokens", "--json"])) as { id: string; name: string }[]
    const id = tokens.find(({ name }) => name === "gateway")?.id ?? ""
    expect((await run(["token", "revoke", id])).code).toBe(0)
    expect((await runBrume(["write", "cold/a/t=1", ...limited])).code).toBe(4)
    expect((await run(["token", "revoke", id])).code).toBe(5)
  }))

test("Ctrl-C ends a long query here and on the node", () =>
  atNode(async ({ node, run }) => {
    const endless = "SELECT count(*) FROM range(100000000) a, range(100000) b"
    const child = spawn(process.execPath, [cli, "query", endless, "--url", node.url, "--token", node.token])
    const list = async (): Promise<unknown[]> => parsed(await run(["get", "queries", "--json"])) as unknown[]
    await until("it runs", async () => (await list()).length === 1)
    child.kill("SIGINT")
    expect(await once(child, "close")).toEqual([130, null])
    await until("the node has stopped it", async () => (await list()).length === 0)
  }))

test("a reader that goes away ends a query quietly", () =>
  atNode(async ({ node }) => {
    const many = "SELECT * FROM range(900000)"
    const child = spawn(process.execPath, [cli, "query", "--json", many, "--url", node.url, "--token", node.token])
    let stderr = ""
    child.stderr.on("data", (piece: Buffer) => {
      stderr += piece.toString()
    })
    await once(child.stdout, "data")
    child.stdout.destroy()
    expect(await once(child, "close")).toEqual([0, null])
    expect(stderr).toBe("")
  }))

test("the doctor finds a new node well, and a stopped one missing", async () => {
  await using folder = await temporaryFolder()
  const node = await startNode(folder.path)
  const args = ["doctor", "--json", "--data", folder.path, "--url", node.url]
  const well = await runBrume(args)
  const { checks } = JSON.parse(well.stdout) as { checks: { name: string; state: string; says: string }[] }
  // How much of this machine's disk is free is not the node's doing.
  expect(checks.filter(({ name, state }) => name !== "Disk" && state !== "ok")).toEqual([])
  expect(checks.find(({ name }) => name === "Owner")?.says).toContain(String(node.child.pid))
  await node.end("SIGTERM")
  const missing = await runBrume(args)
  expect(missing.code).toBe(1)
  expect(missing.stdout).toContain("nothing listens there")
})

test("help answers without loading the node", async () => {
  const child = spawn(process.execPath, [cli, "--help"], { env: { ...process.env, NODE_DEBUG: "esm" } })
  let loaded = ""
  child.stderr.on("data", (piece: Buffer) => {
    loaded += piece.toString()
  })
  await once(child, "close")
  expect(loaded).toContain("program.js")
  for (const heavy of ["duckdb", "fastify", "packages/node/", "packages/sdk/"]) expect(loaded).not.toContain(heavy)
})
