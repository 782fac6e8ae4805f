import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { recordedTerminal, type TerminalOptions } from "../../../test/rig/recorded-terminal.ts"
import { json, problem, scriptedNode } from "../../../test/rig/scripted-node.ts"
import { run } from "./main.ts"

async function brume(argv: readonly string[], options: TerminalOptions = {}) {
  const terminal = recordedTerminal(options)
  const code = await run(argv, terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr(), bytes: terminal.stdoutBytes() }
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "brume-cli-"))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

const rows = {
  id: "q",
  columns: [
    { name: "device", type: "VARCHAR" },
    { name: "value", type: "DOUBLE" },
  ],
  rows: [
    { device: "a", value: 1.5 },
    { device: "b", value: null },
  ],
  rowCount: 2,
}

test("help goes to stdout and is no failure", async () => {
  const end = await brume(["--help"])
  expect(end.code).toBe(0)
  for (const verb of ["up", "demo", "get", "describe", "query", "write", "watch", "token", "doctor"]) {
    expect(end.stdout).toMatch(new RegExp(`^  ${verb}\\b`, "m"))
  }
  expect((await brume(["token", "create", "--help"])).stdout).toContain("brume token create gateway-7")
})

test.each([
  [["nonsense"], "unknown command 'nonsense'"],
  [["query", "--nonsense"], "unknown option '--nonsense'"],
  [["query", "--format", "xml", "SELECT 1"], "xml"],
  [["token", "create", "x"], "--scope"],
  [["token", "create", "x", "--scope", "root"], "no scope"],
  [["get"], "A command is missing"],
  [["describe", "device"], "name"],
  [["query", "--max-rows", "0", "SELECT 1"], "--max-rows"],
  [["query", "--timeout", "soon", "SELECT 1"], "--timeout"],
  [["query", "  "], "statement is empty"],
  [["query"], "no statement"],
  [["write"], "no readings"],
  [["write", "d/p=1", "--file", "x"], "readings and --file"],
  [["query", "--url", "not a url", "SELECT 1"], "is not a URL"],
])("%j is refused with its remedy", async (argv, why) => {
  const end = await brume(argv)
  expect(end.code).toBe(why === "is not a URL" ? 7 : 2)
  expect(end.stdout).toBe("")
  expect(end.stderr).toContain(why)
  expect(end.stderr).toContain("hint")
})

test("a wrong word is answered with the one that was meant", async () => {
  expect((await brume(["qeury"])).stderr).toContain("Did you mean query?")
  expect((await brume(["query", "--jsno", "SELECT 1"])).stderr).toContain("Did you mean --json?")
})

test("with --json a failure is one problem body on stderr", async () => {
  const end = await brume(["query", "--json", "--nonsense"])
  expect(end.code).toBe(2)
  expect(JSON.parse(end.stderr)).toMatchObject({ code: "usage", status: 400 })
})

test("query shows a table for people and a JSON array of row objects for programs", async () => {
  await using node = await scriptedNode((_request, response) => json(response, rows))
  const table = await brume(["query", "--url", node.url, "SELECT 1"])
  expect(table).toMatchObject({ code: 0, stdout: "device  value\na         1.5\nb        null\n", stderr: "" })
  const list = await brume(["query", "--url", node.url, "--json", "SELECT 1"])
  expect(JSON.parse(list.stdout)).toEqual(rows.rows)
  expect((await brume(["query", "--url", node.url, "--format", "json", "SELECT 1"])).stdout).toBe(list.stdout)
})

test("integers beyond 2^53 are shown and passed on with every digit", async () => {
  const text =
    '{"json":9007199254740993,"list":[-12345678901234567890],"text":"12345678901234567890","x":1.2345678901234567e30}'
  await using node = await scriptedNode((_request, response) => {
    const columns = ["json", "list", "text", "x"].map((name) => ({ name, type: "JSON" }))
    response.end(`{"id":"q","columns":${JSON.stringify(columns)},"rows":[${text}],"rowCount":1}`)
  })
  expect((await brume(["query", "--url", node.url, "--json", "SELECT 1"])).stdout).toBe(`[\n${text}\n]\n`)
  const table = (await brume(["query", "--url", node.url, "SELECT 1"])).stdout
  expect(table).toContain('9007199254740993  ["-12345678901234567890"]  12345678901234567890  1.2345678901234567e+30')
})

test("an empty result is an empty array, and a table with titles alone", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { ...rows, rows: [], rowCount: 0 }))
  expect((await brume(["query", "--url", node.url, "--json", "SELECT 1"])).stdout).toBe("[]\n")
  expect((await brume(["query", "--url", node.url, "SELECT 1"])).stdout).toBe("device  value\n")
})

test("query passes the statement from stdin or a file, its parameters and limits", async () => {
  await using node = await scriptedNode((_request, response) => json(response, rows))
  const path = await folder()
  await writeFile(join(path, "ask.sql"), "SELECT 2")
  const at = ["query", "--url", node.url]
  await brume([...at, "-"], { input: "SELECT 1" })
  await brume(at, { input: "SELECT 3" })
  await brume([...at, "--file", "ask.sql"], { folder: path })
  await brume([
    ...at,
    "--param",
    "4.2",
    "--param",
    "text",
    "--param",
    '"7"',
    "--param",
    "2025-01-01",
    "--param",
    "9007199254740993",
    "--max-rows",
    "5",
    "--timeout",
    "2s",
    "SELECT $1",
  ])
  const bodies = node.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
  expect(bodies.slice(0, 3).map(({ sql }) => sql)).toEqual(["SELECT 1", "SELECT 3", "SELECT 2"])
  expect(bodies[3]).toEqual({
    sql: "SELECT $1",
    format: "json",
    parameters: [4.2, "text", "7", "2025-01-01", "9007199254740993"],
    maxRows: 5,
    timeoutMs: 2_000,
  })
})

test("csv and arrow go through as they come; arrow not onto a terminal", async () => {
  const bytes = Buffer.from([0xff, 0, 1, 2])
  await using node = await scriptedNode((_request, response) => void response.end(bytes))
  expect((await brume(["query", "--url", node.url, "--format", "arrow", "SELECT 1"])).bytes).toEqual(bytes)
  const refused = await brume(["query", "--url", node.url, "--format", "arrow", "SELECT 1"], { columns: 80 })
  expect(refused).toMatchObject({ code: 2, stdout: "" })
})

test.each([
  [401, "unauthenticated", 4],
  [404, "device_not_found", 5],
  [503, "query_busy", 6],
  [400, "query_invalid", 7],
  [500, "internal", 70],
])("an answer %i %s ends with %i and shows the node's words", async (status, code, exitCode) => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, status, { code, detail: "what happened", hint: "what to do" }),
  )
  const end = await brume(["query", "--url", node.url, "SELECT 1"])
  expect(end.code).toBe(exitCode)
  expect(end.stderr).toContain("what happened")
  expect(end.stderr).toContain("what to do")
  const asJson = await brume(["query", "--url", node.url, "--json", "SELECT 1"])
  expect(asJson.stdout).toBe("")
  expect(JSON.parse(asJson.stderr)).toMatchObject({ code, detail: "what happened", hint: "what to do" })
})

test("where no node answers, the code is 3 and the hint starts one", async () => {
  const node = await scriptedNode()
  await node.vanish()
  const end = await brume(["get", "devices", "--url", node.url])
  expect(end.code).toBe(3)
  expect(end.stderr).toContain("nothing listens there")
  expect(end.stderr).toContain("brume up")
})

test("Ctrl-C stops a query and its request", async () => {
  const terminal = recordedTerminal()
  let closed: Promise<void> | undefined
  await using node = await scriptedNode((_request, response) => {
    closed = new Promise((resolve) => response.once("close", resolve))
    terminal.interrupt()
  })
  expect(await run(["query", "--url", node.url, "SELECT 1"], terminal)).toBe(130)
  await closed
  expect(terminal.stderr()).toBe("")
})

const tokenSeen = async (argv: readonly string[], options: TerminalOptions): Promise<string | undefined> => {
  await using node = await scriptedNode((_request, response) => json(response, { devices: [] }))
  await brume(["get", "devices", "--json", ...argv], {
    ...options,
    environment: { BRUME_URL: node.url, ...options.environment },
  })
  return node.requests[0]?.headers.authorization
}

test("the token comes from the flag, a file, the environment or the data folder, in this order", async () => {
  const path = await folder()
  await mkdir(join(path, ".brume/node"), { recursive: true })
  await writeFile(join(path, "token"), "from-file\n")
  await writeFile(join(path, "other"), "from-environment-file\n")
  const environment = { BRUME_TOKEN: "from-environment", BRUME_TOKEN_FILE: "other" }
  expect(await tokenSeen(["--token", "from-flag", "--token-file", "token"], { folder: path, environment })).toBe(
    "Bearer from-flag",
  )
  expect(await tokenSeen(["--token-file", "token"], { folder: path, environment })).toBe("Bearer from-file")
  expect(await tokenSeen([], { folder: path, environment })).toBe("Bearer from-environment")
  expect(await tokenSeen([], { folder: path, environment: { BRUME_TOKEN_FILE: "other" } })).toBe(
    "Bearer from-environment-file",
  )
  expect(await tokenSeen([], { folder: path })).toBeUndefined()
  await writeFile(join(path, ".brume/node/admin-token"), "from-folder\n")
  expect(await tokenSeen([], { folder: path })).toBe("Bearer from-folder")
})

test("of two default folders, the one whose node runs is meant", async () => {
  const path = await folder()
  for (const data of [".brume/node", ".brume/demo"]) {
    await mkdir(join(path, data), { recursive: true })
    await writeFile(join(path, data, "admin-token"), data)
  }
  expect(await tokenSeen([], { folder: path })).toBe("Bearer .brume/node")
  await writeFile(join(path, ".brume/demo/lock"), "{}")
  expect(await tokenSeen([], { folder: path })).toBe("Bearer .brume/demo")
})

test("this machine's token is not sent to another one unasked", async () => {
  const path = await folder()
  await mkdir(join(path, ".brume/node"), { recursive: true })
  await writeFile(join(path, ".brume/node/admin-token"), "secret")
  const { findToken } = await import("./connection.ts")
  const terminal = recordedTerminal({ folder: path })
  expect(await findToken({ url: "http://gateway.example:7777" }, terminal)).toBeUndefined()
  expect(await findToken({ url: "http://localhost:7777" }, terminal)).toMatchObject({ secret: "secret" })
})

test.each([
  ["missing", undefined, "Cannot read the token file"],
  ["empty", "\n", "it is empty"],
  ["something else", "not a\ntoken", "other characters"],
])("a token file that is %s is named", async (_what, content, why) => {
  const path = await folder()
  if (content !== undefined) await writeFile(join(path, "token"), content)
  const end = await brume(["get", "tokens", "--token-file", "token"], { folder: path })
  expect(end.code).toBe(2)
  expect(end.stderr).toContain(why)
})

const device = {
  device: "cold/room-1",
  received: "2025-01-01T00:00:00.000000Z",
  latest: [
    {
      property: "temperature",
      value: 4.2,
      text: null,
      json: null,
      tags: '{"unit":"C"}',
      quality: 5,
      time: "2025-01-01T00:00:00.000000Z",
    },
    {
      property: "door",
      value: null,
      text: "open",
      json: null,
      tags: "{}",
      quality: 0,
      time: "2025-01-01T00:00:00.000000Z",
    },
  ],
}

test("devices are listed over all pages, and described with each series", async () => {
  await using node = await scriptedNode(({ url }, response) => {
    if (url.includes("room-1")) json(response, device)
    else
      json(
        response,
        url.includes("cursor") ? { devices: [{ ...device, device: "z" }] } : { devices: [device], cursor: "c" },
      )
  })
  const list = await brume(["get", "devices", "--url", node.url, "--device", "cold/#"])
  expect(list.stdout).toContain("cold/room-1")
  expect(list.stdout).toContain("temperature 4.2, door open")
  expect(node.requests[0]?.url).toBe("/v1/devices?device=cold%2F%23")
  expect(JSON.parse((await brume(["get", "devices", "--url", node.url, "--json"])).stdout)).toHaveLength(2)
  const described = (await brume(["describe", "device", "cold/room-1", "--url", node.url])).stdout
  expect(described).toMatch(/^Device +cold\/room-1$/m)
  expect(described).toMatch(/^temperature +4\.2 .*unit.*device clock, marked by the device$/m)
})

test("write sends readings given as arguments", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { accepted: 2, seq: 7, epoch: "e" }))
  const end = await brume([
    "write",
    "--url",
    node.url,
    "d/t=4.2",
    "d/door=open",
    "--tag",
    "hall=b",
    "--time",
    "2025-01-01T00:00:00Z",
  ])
  expect(end).toMatchObject({ code: 0, stdout: "2 stored\n" })
  expect(node.requests[0]?.body.split("\n").map((line) => JSON.parse(line) as unknown)).toEqual([
    { device: "d", property: "t", value: 4.2, time: "2025-01-01T00:00:00Z", tags: { hall: "b" } },
    { device: "d", property: "door", value: "open", time: "2025-01-01T00:00:00Z", tags: { hall: "b" } },
  ])
})

/** A node that refuses lines with `bad` in them, as the real one does. */
async function refusingNode() {
  const stored: string[] = []
  const node = await scriptedNode(({ body }, response) => {
    const lines = body.split("\n")
    const mistakes = lines.flatMap((line, index) =>
      line.includes("bad") ? [{ at: `line ${index + 1}: value`, reason: "is bad" }] : [],
    )
    if (mistakes.length > 0) {
      problem(response, 400, {
        code: "readings_invalid",
        details: { mistakes: mistakes.slice(0, 2), count: mistakes.length },
      })
      return
    }
    stored.push(...lines)
    json(response, { accepted: lines.length, seq: 0, epoch: "e" })
  })
  return Object.assign(node, { stored })
}

test("write stores the good lines of a stream and names the bad ones by their place in it", async () => {
  await using node = await refusingNode()
  const input = ["one", "", "bad 1", "two", "bad 2", "bad 3", "three"].join("\n")
  const end = await brume(["write", "--url", node.url], { input })
  expect(end.code).toBe(7)
  expect(end.stdout).toBe("3 stored\n")
  expect(node.stored).toEqual(["one", "two", "three"])
  expect(end.stderr).toContain(
    "refused line 3: value is bad\nrefused line 5: value is bad\nrefused line 6: value is bad\n",
  )
  expect(end.stderr).toContain("3 lines were refused")
})

test("write ends early where too much is refused", async () => {
  await using node = await refusingNode()
  const input = Array.from({ length: 20_000 }, (_, index) => `bad ${index}`).join("\n")
  const end = await brume(["write", "--url", node.url, "--max-refused", "2", "--json"], { input })
  expect(end.code).toBe(7)
  expect(end.stderr).toContain("the rest of the input was not sent")
  expect(node.stored).toEqual([])
})

test("write sends what has come when the input falls silent", async () => {
  await using node = await refusingNode()
  let goOn = (): void => {}
  const silence = new Promise<void>((resolve) => {
    goOn = resolve
  })
  async function* tail(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from("one\n")
    await silence
    yield Buffer.from("two\n")
  }
  const end = brume(["write", "--url", node.url], { input: tail() })
  while (node.stored.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(node.stored).toEqual(["one"])
  goOn()
  expect((await end).stdout).toBe("2 stored\n")
})

test("write sends one batch after the other, in the order of the input", async () => {
  let atOnce = 0
  let most = 0
  const seen: string[] = []
  await using node = await scriptedNode(async ({ body }, response) => {
    most = Math.max(most, ++atOnce)
    seen.push(...body.split("\n"))
    await new Promise((resolve) => setTimeout(resolve, 20))
    atOnce--
    json(response, { accepted: body.split("\n").length, seq: 0, epoch: "e" })
  })
  const lines = Array.from({ length: 17_000 }, (_, index) => String(index))
  expect((await brume(["write", "--url", node.url], { input: lines.join("\n") })).stdout).toBe("17,000 stored\n")
  expect(most).toBe(1)
  expect(seen).toEqual(lines)
})

test("write reads CSV and line protocol", async () => {
  await using node = await scriptedNode(({ url }, response) => {
    if (url.startsWith("/write")) response.writeHead(204).end()
    else json(response, { accepted: 2, seq: 0, epoch: "e" })
  })
  await brume(["write", "--url", node.url, "--format", "csv", "--device", "s"], { input: "time,t\n1,4\n2,5\n" })
  expect(node.requests[0]?.body).toBe(
    '{"device":"s","values":{"t":4},"time":1}\n{"device":"s","values":{"t":5},"time":2}',
  )
  const end = await brume(["write", "--url", node.url, "--format", "line", "--precision", "s"], {
    input: "m f=1 5\nm f=2 6\n",
  })
  expect(end.stdout).toBe("2 lines stored\n")
  expect(node.requests[1]).toMatchObject({ url: "/write?precision=s", body: "m f=1 5\nm f=2 6" })
})

test("a node that refuses a whole write for another reason ends it with that reason", async () => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, 403, { code: "forbidden", detail: "no write scope" }),
  )
  const end = await brume(["write", "--url", node.url], { input: "x\n" })
  expect(end.code).toBe(4)
  expect(end.stderr).toContain("no write scope (0 readings were stored before)")
})

test("watch shows readings line by line and ends after as many as asked for", async () => {
  await using node = await scriptedNode((_request, response) => json(response, {}))
  const reading = {
    time: "2025-01-01T00:00:00.000000Z",
    device: "d",
    property: "t",
    value: 4.2,
    text: null,
    json: null,
    tags: "{}",
    quality: 0,
  }
  node.live = (socket) => socket.send(JSON.stringify({ type: "readings", readings: [reading, reading, reading] }))
  const end = await brume(["watch", "--url", node.url, "--count", "2", "--json", "hall/#", "--property", "t"])
  expect(end.code).toBe(0)
  expect(
    end.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([reading, reading])
  const pretty = await brume(["watch", "--url", node.url, "--count", "1"])
  expect(pretty.stdout).toBe("2025-01-01T00:00:00.000000Z  d  t  4.2\n")
})

test("Ctrl-C is the normal end of watch", async () => {
  await using node = await scriptedNode((_request, response) => json(response, {}))
  const terminal = recordedTerminal()
  node.live = () => terminal.interrupt()
  expect(await run(["watch", "--url", node.url], terminal)).toBe(0)
})

test("the secret of a new token is all that goes to stdout", async () => {
  const token = { id: "k1", name: "dash", scopes: ["read"], created: "2025-01-01T00:00:00.000000Z" }
  await using node = await scriptedNode((_request, response) => json(response, { token, secret: "brume_k1_s" }, 201))
  const end = await brume([
    "token",
    "create",
    "dash",
    "--scope",
    "read",
    "--device",
    "a/#",
    "--expires",
    "90d",
    "--url",
    node.url,
  ])
  expect(end.stdout).toBe("brume_k1_s\n")
  expect(end.stderr).toContain("k1")
  const body = JSON.parse(node.requests[0]?.body ?? "") as { expires: string }
  expect(body).toMatchObject({ name: "dash", scopes: ["read"], devices: ["a/#"] })
  expect(Date.parse(body.expires) - Date.now()).toBeGreaterThan(89 * 86_400_000)
})

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

test("versions and completion scripts", async () => {
  expect((await brume(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect(JSON.parse((await brume(["version", "--json"])).stdout)).toMatchObject({ node: process.versions.node })
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await brume(["completion", shell])
    expect(stdout).toContain("--token-file")
    expect(stdout).toContain("revoke")
  }
  expect((await brume(["completion", "tcsh"])).code).toBe(2)
})
