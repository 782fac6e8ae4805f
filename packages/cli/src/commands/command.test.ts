import { expect, test } from "vitest"
import { brume } from "../../../../test/rig/recorded-terminal.ts"
import { json, problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"

const done = {
  ...{ id: "0a", device: "hall/pump", command: "start", input: { speed: 3 }, source: "token/t", state: "done" },
  ...{ created: "2025-01-01T00:00:00.000000Z", deadline: "2025-01-01T00:00:10.000000Z", retries: 1, attempts: 1 },
  ...{ ended: "2025-01-01T00:00:01.000000Z", output: { rpm: 900 } },
}
const { output: _output, ...rest } = done
const failed = { ...rest, state: "failed", error: { code: "jam", message: "it is stuck" } }
const unreachable = { ...rest, state: "failed", error: { code: "command_unreachable", message: "nobody is there" } }
const inDoubt = { ...rest, state: "in-doubt", error: { code: "command_in_doubt", message: "no answer" } }
const pending = { ...rest, state: "pending" }

test("a command is sent with its terms, and its answer is all that goes to stdout", async () => {
  await using node = await scriptedNode((_request, response) => json(response, done))
  const argv = ["command", "hall/pump", "start", '{"speed":3}', "--deadline", "30s", "--retries", "1", "--key", "k"]
  expect(await brume([...argv, "--url", node.url])).toMatchObject({ code: 0, stdout: '{"rpm":900}\n', stderr: "" })
  const [{ method, url, headers, body }] = node.requests as [(typeof node.requests)[0]]
  expect([method, url, headers["idempotency-key"]]).toEqual(["POST", "/v1/devices/hall%2Fpump/commands/start", "k"])
  expect(JSON.parse(body)).toEqual({ deadlineMs: 30_000, retries: 1, input: { speed: 3 } })
  await brume(["command", "lamp", "set", "ON", "--url", node.url])
  expect(JSON.parse(node.requests[1]!.body)).toEqual({ deadlineMs: 10_000, retries: 0, input: "ON" })
  expect(node.requests[1]!.headers["idempotency-key"]).toMatch(/^[0-9a-f]{32}$/)
  await brume(["command", "lamp", "toggle", "--url", node.url])
  expect(JSON.parse(node.requests[2]!.body)).not.toHaveProperty("input")
})

test("the exit code says what became of it", async () => {
  let outcome: object = failed
  await using node = await scriptedNode((_request, response) => json(response, outcome))
  for (const [next, code, said] of [
    [failed, 8, "it is stuck"],
    [unreachable, 6, "nobody is there"],
    [inDoubt, 9, "no answer"],
  ] as const) {
    outcome = next
    const end = await brume(["command", "hall/pump", "start", "--url", node.url])
    expect([end.code, end.stdout, end.stderr]).toEqual([code, "", expect.stringContaining(said)])
    const asJson = await brume(["command", "hall/pump", "start", "--json", "--url", node.url])
    expect([asJson.code, JSON.parse(asJson.stdout), asJson.stderr]).toEqual([code, next, ""])
  }
})

test("without waiting its id is printed; a wait that the node ends says nothing of the outcome", async () => {
  await using node = await scriptedNode((_request, response) => json(response, pending, 202))
  expect(await brume(["command", "p", "s", "--no-wait", "--url", node.url])).toMatchObject({ code: 0, stdout: "0a\n" })
  expect(node.requests[0]!.url).toBe("/v1/devices/p/commands/s?wait=false")
  // A node that stops lets go of who waits.
  const end = await brume(["command", "p", "s", "--url", node.url])
  expect([end.code, end.stdout, end.stderr]).toEqual([9, "", expect.stringContaining("brume describe command 0a")])
})

test("what the node refuses and what cannot be meant is said", async () => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, 400, { code: "command_invalid", detail: "Not so" }),
  )
  expect((await brume(["command", "p", "s", "--url", node.url])).code).toBe(7)
  for (const flags of [
    ["--deadline", "soon"],
    ["--retries", "x"],
  ])
    expect(await brume(["command", "p", "s", ...flags, "--url", node.url])).toMatchObject({ code: 2, stdout: "" })
  expect(node.requests).toHaveLength(1)
})

test("commands are listed over all pages, as many as asked for", async () => {
  await using node = await scriptedNode(({ url }, response) =>
    json(response, url.includes("cursor") ? { commands: [inDoubt] } : { commands: [done, failed], cursor: "c" }),
  )
  const { stdout } = await brume(["get", "commands", "--device", "hall/#", "--state", "done", "--url", node.url])
  expect(node.requests[0]!.url).toBe("/v1/commands?device=hall%2F%23&state=done&limit=100")
  expect(stdout).toMatch(/^0a +hall\/pump +start +done +\d+ d +token\/t +\{"rpm":900\}$/m)
  expect(stdout).toMatch(/ in-doubt .* no answer$/m)
  const two = await brume(["get", "commands", "--count", "2", "--json", "--url", node.url])
  expect(JSON.parse(two.stdout)).toEqual([done, failed])
})

test("a command is described with all that is known of it", async () => {
  const late = { ...done, late: true, accepted: "2025-01-01T00:00:00.500000Z" }
  await using node = await scriptedNode((_request, response) => json(response, late))
  const { stdout } = await brume(["describe", "command", "0a", "--url", node.url])
  expect(stdout).toMatch(/^State +done, after it had been in doubt$/m)
  expect(stdout).toMatch(/^Sent +1 of at most 2 times$/m)
  expect(stdout).toMatch(/^Accepted +2025-01-01T00:00:00\.500000Z$/m)
  expect(stdout).toMatch(/^Answer +\{"rpm":900\}$/m)
})

const twin = {
  device: "fan",
  desired: { version: 2, values: { speed: 3, mode: "night" }, time: "2025-01-01T00:00:00.000000Z" },
  reported: { version: 0, values: {} },
  delta: { speed: 3 },
}

test("a twin is shown and changed", async () => {
  await using node = await scriptedNode((_request, response) => json(response, twin))
  const { stdout } = await brume(["twin", "get", "hall/fan", "--url", node.url])
  expect(stdout).toMatch(/^Reported +never$/m)
  expect(stdout).toMatch(/^speed +3 +differs$/m)
  const end = await brume(["twin", "set", "fan", '{"speed":3}', "--if-version", "1", "--json", "--url", node.url])
  expect(JSON.parse(end.stdout)).toEqual(twin)
  expect(node.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
    ["GET", "/v1/devices/hall%2Ffan/twin", ""],
    ["PATCH", "/v1/devices/fan/twin", '{"desired":{"speed":3},"ifVersion":1}'],
  ])
  for (const patch of ["speed", "[1]", "null"])
    expect(await brume(["twin", "set", "fan", patch, "--url", node.url])).toMatchObject({ code: 2, stdout: "" })
})
