import { expect, test } from "vitest"
import { brume } from "../../../test/rig/recorded-terminal.ts"
import { problem, scriptedNode } from "../../../test/rig/scripted-node.ts"

test("help goes to stdout and is no failure", async () => {
  const end = await brume(["--help"])
  expect(end.code).toBe(0)
  for (const verb of [
    "up",
    "demo",
    "get",
    "describe",
    "query",
    "write",
    "watch",
    "publish",
    "subscribe",
    "token",
    "client",
    "doctor",
  ]) {
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
