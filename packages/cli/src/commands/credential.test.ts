import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { apiRig } from "../../../../test/rig/api.ts"
import { brume } from "../../../../test/rig/recorded-terminal.ts"

interface Node extends AsyncDisposable {
  run(...words: string[]): ReturnType<typeof brume>
}

async function node(): Promise<Node> {
  const rig = await apiRig()
  const api = await rig.listen()
  return {
    run: (...words) => brume([...words, "--url", api.url, "--token", rig.admin], { input: "piped by hand\n" }),
    [Symbol.asyncDispose]: () => api.close(),
  }
}

test("the password of a new credential is all that goes to stdout", async () => {
  await using at = await node()
  const made = await at.run("credential", "create", "lamp")
  expect(made.stdout).toMatch(/^[\w-]{43}\n$/)
  expect(made.stderr).toContain("publishes devices/%u, devices/%u/#; subscribes devices/%u, devices/%u/#.")
  const rotated = await at.run("credential", "rotate", "lamp")
  expect(rotated.stdout).toMatch(/^[\w-]{43}\n$/)
  expect(rotated.stdout).not.toBe(made.stdout)
  const json = JSON.parse((await at.run("credential", "create", "pump", "--publish", "a/#", "--json")).stdout)
  expect(json).toMatchObject({ username: "pump", permissions: { publish: ["a/#"] }, password: expect.any(String) })
})

test("a password comes from a file or from stdin, and is not shown", async () => {
  const folder = await mkdtemp(join(tmpdir(), "brume-password-"))
  try {
    await using at = await node()
    await writeFile(join(folder, "password"), "chosen by hand\n")
    const made = await at.run("credential", "create", "lamp", "--password-file", join(folder, "password"))
    expect([made.code, made.stdout]).toEqual([0, ""])
    const piped = await at.run("credential", "rotate", "lamp", "--password-file", "-")
    expect([piped.code, piped.stdout, piped.stderr]).toEqual([0, "", expect.stringContaining("has a new password")])
    const missing = await at.run("credential", "rotate", "lamp", "--password-file", join(folder, "nothing"))
    expect([missing.code, missing.stdout]).toEqual([2, ""])
    await writeFile(join(folder, "short"), "short\n")
    const short = await at.run("credential", "rotate", "lamp", "--password-file", join(folder, "short"))
    expect(short.stderr).toContain("password")
    expect(short.code).toBe(7)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test("credentials are listed, changed and revoked", async () => {
  await using at = await node()
  await at.run("credential", "create", "lamp", "--subscribe", "")
  await at.run("credential", "create", "valve", "--certificate", "valve.example", "--fingerprint", "ab".repeat(32))
  const listed = (await at.run("credential", "list")).stdout
  expect(listed).toMatch(/^lamp +enabled +password +devices\/%u,devices\/%u\/# +nothing/m)
  expect(listed).toMatch(/^valve +enabled +certificate valve\.example/m)
  expect((await at.run("credential", "change", "lamp", "--disable")).stderr).toContain("disabled")
  const list = JSON.parse((await at.run("get", "credentials", "--json")).stdout)
  expect(list).toMatchObject([{ username: "lamp", disabled: true }, { username: "valve" }])
  expect((await at.run("credential", "change", "lamp")).code).toBe(2)
  expect((await at.run("credential", "change", "lamp", "--enable", "--disable")).code).toBe(2)
  const revoked = await at.run("credential", "revoke", "lamp", "valve", "--json")
  expect(JSON.parse(revoked.stdout)).toEqual({ revoked: ["lamp", "valve"] })
  expect((await at.run("credential", "revoke", "lamp")).code).toBe(5)
  expect((await at.run("credential", "create", "x", "--fingerprint", "ab")).code).toBe(2)
})

test("bans are added, listed and lifted", async () => {
  await using at = await node()
  const added = await at.run("ban", "add", "client", "a/b", "--expires", "1h", "--reason", "noise")
  expect(added.stderr).toMatch(/^The client a\/b is banned until \d/)
  expect((await at.run("ban", "list")).stdout).toMatch(/^client +a\/b .*noise$/m)
  expect(JSON.parse((await at.run("get", "bans", "--json")).stdout)).toMatchObject([{ kind: "client", value: "a/b" }])
  expect(JSON.parse((await at.run("ban", "remove", "client", "a/b", "--json")).stdout)).toEqual({
    removed: { kind: "client", value: "a/b" },
  })
  expect((await at.run("ban", "remove", "client", "a/b")).code).toBe(5)
  expect((await at.run("ban", "add", "topic", "x")).code).toBe(2)
})
