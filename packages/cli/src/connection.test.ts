import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { brume, folder, recordedTerminal, type TerminalOptions } from "../../../test/rig/recorded-terminal.ts"
import { json, scriptedNode } from "../../../test/rig/scripted-node.ts"

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

test("the token of a data folder that is named comes before those of the default folders", async () => {
  const path = await folder()
  await mkdir(join(path, ".brume/demo"), { recursive: true })
  await mkdir(join(path, "mine"))
  await writeFile(join(path, ".brume/demo/admin-token"), "of-the-demo")
  const { findToken } = await import("./connection.ts")
  const terminal = recordedTerminal({ folder: path })
  expect(await findToken({ data: "mine" }, terminal)).toMatchObject({ secret: "of-the-demo" })
  await writeFile(join(path, "mine/admin-token"), "mine")
  expect(await findToken({ data: "mine" }, terminal)).toMatchObject({ secret: "mine" })
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
