import type { CredentialRequest } from "@brume/core"
import { expect, test } from "vitest"
import { AccessMachine, codeOf } from "../../../../test/rig/access.ts"

test("a credential survives a restart with its permissions; only a hash of its password is stored", async () => {
  const machine = new AccessMachine()
  const before = await machine.start()
  const permissions = { publish: ["a/%u", "a/%u"], subscribe: [] }
  const { info, password } = await before.credentials.create({
    username: "lamp",
    password: "correct horse",
    permissions,
  })
  expect(password, "the caller knows it").toBeUndefined()
  expect(info.permissions).toEqual({ publish: ["a/%u"], subscribe: [] })
  const stored = Buffer.from(machine.records.get("credential/lamp")!).toString()
  expect(stored).not.toContain("correct horse")
  expect(JSON.parse(stored).password).toMatchObject({ kind: "scrypt", n: 2, r: 1, p: 1 })
  expect(JSON.stringify(machine.logger.entries)).not.toContain("correct horse")
  const after = await machine.start()
  expect(after.credentials.list()).toEqual([info])
  expect(await after.admitted({ username: "lamp", password: "correct horse" })).toMatchObject({ name: "lamp" })
})

test("a password is made where none is given, shown once, and compared without a slow hash", async () => {
  const machine = new AccessMachine()
  const { credentials, admitted } = await machine.start()
  const { info, password } = await credentials.create({ username: "lamp" })
  expect(password).toMatch(/^[\w-]{43}$/)
  expect(info.permissions).toEqual({
    publish: ["devices/%u", "devices/%u/#"],
    subscribe: ["devices/%u", "devices/%u/#"],
  })
  expect(Buffer.from(machine.records.get("credential/lamp")!).toString()).not.toContain(password)
  await admitted({ username: "lamp", password: password! })
  expect(machine.comparisons).toBe(0)
})

test("a username is taken once, also when two want it at the same time", async () => {
  const { credentials } = await new AccessMachine().start()
  const both = [1, 2].map((n) => codeOf(credentials.create({ username: "lamp", password: `password ${n}` })))
  expect((await Promise.all(both)).sort()).toEqual(["credential_exists", "no error"])
})

test("there are never more credentials than the limit, also when many are made at once", async () => {
  const { credentials } = await new AccessMachine().start({ maxCredentials: 3 })
  const all = Array.from({ length: 6 }, (_, i) => codeOf(credentials.create({ username: `lamp-${i}` })))
  expect((await Promise.all(all)).filter((code) => code === "no error")).toHaveLength(3)
  await credentials.revoke(credentials.list()[0]!.username)
  expect(await codeOf(credentials.create({ username: "again" }))).toBe("no error")
})

test("a credential is not valid before its record is durable, and not at all when it never is", async () => {
  const machine = new AccessMachine()
  const { credentials } = await machine.start()
  machine.fails = true
  expect(await codeOf(credentials.create({ username: "lamp" }))).toBe("store_closed")
  expect(credentials.list()).toEqual([])
  machine.fails = false
  expect(await codeOf(credentials.create({ username: "lamp" }))).toBe("no error")
})

test("a malformed description is refused with all its mistakes", async () => {
  const { credentials } = await new AccessMachine().start()
  const refused: unknown[] = [
    { username: "" },
    { username: 1 },
    { username: "x".repeat(201) },
    { username: "a\nb" },
    { username: "\ud800" },
    { username: "a+" },
    { username: "#" },
    { username: "$SYS" },
    { username: "x", password: "short" },
    { username: "x", password: "brume_abc_defghijklmnop" },
    { username: "x", password: "€".repeat(400) },
    { username: "x", password: 12345678 },
    { username: "x", permissions: { publish: "a" } },
    { username: "x", permissions: { publish: ["a/#/b"] } },
    { username: "x", permissions: { subscribe: [""] } },
    { username: "x", permissions: { subscribe: ["$share/g/a"] } },
    { username: "x", permissions: { subscribe: ["x".repeat(600)] } },
    { username: "x", permissions: { subscribe: new Array(65).fill("a") } },
    { username: "x", certificate: { name: "" } },
    { username: "x", certificate: { fingerprint: "ab" } },
    { username: "x", certificate: {}, password: "long enough" },
  ]
  for (const request of refused)
    expect(await codeOf(credentials.create(request as CredentialRequest)), JSON.stringify(request)).toBe(
      "credential_invalid",
    )
  const error: unknown = await credentials
    .create({ username: "#", password: "x", permissions: { publish: ["+a"] } })
    .catch((reason: unknown) => reason)
  expect((error as { details: { mistakes: string[] } }).details.mistakes).toHaveLength(3)
  expect(credentials.list()).toEqual([])
})

test("a rotated password takes the place of the former when it is durable", async () => {
  const machine = new AccessMachine()
  const { credentials, connect } = await machine.start()
  await credentials.create({ username: "lamp", password: "the former one" })
  machine.fails = true
  expect(await codeOf(credentials.rotate("lamp"))).toBe("store_closed")
  expect(await connect({ username: "lamp", password: "the former one" })).toMatchObject({ name: "lamp" })
  machine.fails = false
  const { info, password } = await credentials.rotate("lamp")
  expect(info.changed).toBeDefined()
  expect(await connect({ username: "lamp", password: "the former one" })).toBe("refused")
  expect(await connect({ username: "lamp", password: password! })).toMatchObject({ name: "lamp" })
  await credentials.rotate("lamp", "chosen by hand")
  const after = await machine.start()
  expect(await after.connect({ username: "lamp", password: password! })).toBe("refused")
  expect(await after.connect({ username: "lamp", password: "chosen by hand" })).toMatchObject({ name: "lamp" })
  expect(await codeOf(credentials.rotate("lamp", "short"))).toBe("credential_invalid")
  expect(await codeOf(credentials.rotate("nobody"))).toBe("credential_not_found")
})

test("a disabled credential opens nothing until it is enabled; what a change leaves out stays", async () => {
  const machine = new AccessMachine()
  const { credentials, connect } = await machine.start()
  const { password } = await credentials.create({ username: "lamp" })
  await credentials.change("lamp", { disabled: true })
  expect(await connect({ username: "lamp", password: password! })).toBe("refused")
  expect((await machine.start()).credentials.list()[0]).toMatchObject({ disabled: true })
  await credentials.change("lamp", { permissions: { publish: ["x"] } })
  expect(credentials.list()[0]).toMatchObject({
    disabled: true,
    permissions: { publish: ["x"], subscribe: ["devices/%u", "devices/%u/#"] },
  })
  await credentials.change("lamp", { disabled: false })
  const identity = await connect({ username: "lamp", password: password! })
  expect(identity).toMatchObject({ name: "lamp" })
  expect(await codeOf(credentials.change("lamp", {}))).toBe("credential_invalid")
  expect(await codeOf(credentials.change("lamp", { permissions: { publish: ["#a"] } }))).toBe("credential_invalid")
  expect(await codeOf(credentials.change("nobody", { disabled: true }))).toBe("credential_not_found")
})

test("changes of one credential that come together are all made", async () => {
  const machine = new AccessMachine()
  const { credentials } = await machine.start()
  await credentials.create({ username: "lamp" })
  await Promise.all([
    credentials.change("lamp", { permissions: { publish: ["p"] } }),
    credentials.change("lamp", { permissions: { subscribe: ["s"] } }),
    credentials.change("lamp", { disabled: true }),
  ])
  const changed = { permissions: { publish: ["p"], subscribe: ["s"] }, disabled: true }
  expect(credentials.list()[0]).toMatchObject(changed)
  expect((await machine.start()).credentials.list()[0]).toMatchObject(changed)
})

test("a revoked credential is refused from the call on, also when the disk refuses, and its tombstone stays", async () => {
  const machine = new AccessMachine()
  const { credentials, connect } = await machine.start()
  const { password } = await credentials.create({ username: "lamp" })
  machine.fails = true
  const revoking = codeOf(credentials.revoke("lamp"))
  expect(await connect({ username: "lamp", password: password! })).toBe("refused")
  expect(await revoking).toBe("store_closed")
  expect(credentials.list()).toEqual([])
  machine.fails = false
  await credentials.revoke("lamp")
  expect(await codeOf(credentials.revoke("lamp"))).toBe("credential_not_found")
  expect(machine.records.has("credential/lamp")).toBe(true)
  const after = await machine.start()
  expect(after.credentials.list()).toEqual([])
  expect(await after.connect({ username: "lamp", password: password! })).toBe("refused")
})

test("a change that is under way does not undo a revocation", async () => {
  const machine = new AccessMachine()
  const { credentials } = await machine.start()
  await credentials.create({ username: "lamp" })
  const rotating = codeOf(credentials.rotate("lamp", "a new password"))
  await credentials.revoke("lamp")
  expect(await rotating).toBe("credential_not_found")
  expect((await machine.start()).credentials.list()).toEqual([])
})

test("a username can be used anew after its revocation, with a younger credential, whatever the clock says", async () => {
  const machine = new AccessMachine()
  const first = await machine.start()
  const { password: former } = await first.credentials.create({ username: "lamp" })
  await first.credentials.revoke("lamp")
  const { revoked } = JSON.parse(Buffer.from(machine.records.get("credential/lamp")!).toString()) as { revoked: number }
  machine.records.set("credential/lamp", Buffer.from(JSON.stringify({ revoked: revoked + 1e12 })))
  const { credentials, connect } = await machine.start()
  const { info } = await credentials.create({ username: "lamp" })
  expect(info.created).toBe(revoked + 1e12 + 1)
  expect(await connect({ username: "lamp", password: former! })).toBe("refused")
  expect((await machine.start()).credentials.list()).toEqual([info])
})

test("tombstones are bounded, and forgetting one never takes a credential with it", async () => {
  const machine = new AccessMachine()
  for (let i = 0; i < 10_000; i++)
    machine.records.set(`credential/old${i}`, Buffer.from(JSON.stringify({ revoked: 1_000 + i })))
  const { credentials } = await machine.start()
  await credentials.create({ username: "old0" })
  await credentials.create({ username: "x" })
  await credentials.create({ username: "y" })
  await credentials.revoke("x")
  await credentials.revoke("y")
  expect(machine.records.has("credential/old0")).toBe(true)
  expect(machine.records.has("credential/old1")).toBe(false)
  expect(machine.records.has("credential/old2")).toBe(true)
  expect((await machine.start()).credentials.list().map(({ username }) => username)).toEqual(["old0"])
})

test.each([
  "",
  "{",
  "null",
  '{"permissions":{"publish":[],"subscribe":[]},"created":1}',
  '{"permissions":{"publish":[1],"subscribe":[]},"created":1,"certificate":{"name":"x"}}',
  '{"permissions":{"publish":[],"subscribe":[]},"created":1,"password":{"kind":"md5","salt":"00","hash":"00"}}',
  `{"permissions":{"publish":[],"subscribe":[]},"created":1,"password":{"kind":"scrypt","n":1073741824,"r":8,"p":1,"salt":"${"0".repeat(32)}","hash":"${"0".repeat(64)}"}}`,
])("a damaged record %j opens nothing and is reported", async (text) => {
  const machine = new AccessMachine()
  machine.records.set("credential/lamp", Buffer.from(text))
  const { credentials, connect } = await machine.start()
  expect(credentials.list()).toEqual([])
  expect(machine.logger.messages("error")).toHaveLength(1)
  expect(await connect({ username: "lamp", password: "whatever it was" })).toBe("refused")
})

test("a certificate stands for one credential, which has no password", async () => {
  const { credentials } = await new AccessMachine().start()
  const { info, password } = await credentials.create({ username: "lamp", certificate: {} })
  expect(info.certificate).toEqual({ name: "lamp" })
  expect(password).toBeUndefined()
  expect(await codeOf(credentials.rotate("lamp"))).toBe("credential_invalid")
  expect(await codeOf(credentials.create({ username: "other", certificate: { name: "lamp" } }))).toBe(
    "credential_invalid",
  )
  await credentials.revoke("lamp")
  const fingerprint = `${"AB:".repeat(31)}CD`
  const { info: other } = await credentials.create({ username: "other", certificate: { name: "lamp", fingerprint } })
  expect(other.certificate).toEqual({ name: "lamp", fingerprint: `${"ab".repeat(31)}cd` })
})
