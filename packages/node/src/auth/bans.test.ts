import type { BanRequest } from "@brume/core"
import { expect, test } from "vitest"
import { AccessMachine, codeOf } from "../../../../test/rig/access.ts"

const comer = { clientId: "c", username: "lamp", address: "192.0.2.1" }

test.each([
  ["client", "c"],
  ["username", "lamp"],
  ["address", "192.0.2.1"],
] as const)(
  "a banned %s is refused whatever it knows, also after a restart, until the ban is lifted",
  async (kind, value) => {
    const machine = new AccessMachine()
    const { bans, credentials, connect } = await machine.start()
    const { password } = await credentials.create({ username: "lamp" })
    const request = { username: "lamp", password: password!, peerAddress: "::ffff:192.0.2.1" }
    const ban = await bans.add({ kind, value, reason: "noise" })
    expect(ban).toEqual({ kind, value, created: machine.clock.now(), reason: "noise" })
    expect(await connect(request)).toBe("refused")
    expect(await connect({ clientId: "d", username: "other", password: "x", peerAddress: "192.0.2.2" })).toBe("refused")
    const after = await machine.start()
    expect(after.bans.list()).toEqual([ban])
    expect(await after.connect(request)).toBe("refused")
    await after.bans.remove(kind, value)
    expect(await after.connect(request)).toMatchObject({ name: "lamp" })
    expect((await machine.start()).bans.list()).toEqual([])
    expect(await codeOf(after.bans.remove(kind, value))).toBe("ban_not_found")
  },
)

test("a ban ends at its expiry, and replaces what was said before", async () => {
  const machine = new AccessMachine()
  const { bans } = await machine.start()
  await bans.add({ kind: "client", value: "c" })
  await bans.add({ kind: "client", value: "c", expires: machine.clock.now() + 1_000_000 })
  machine.clock.advance(999)
  expect(bans.isBanned(comer)).toBe(true)
  machine.clock.advance(1)
  expect(bans.isBanned(comer)).toBe(false)
  expect(bans.list()).toEqual([])
})

test("an address is the same in whatever way it is written", async () => {
  const { bans, connect } = await new AccessMachine().start({ allowAnonymous: true })
  await bans.add({ kind: "address", value: "2001:DB8::1" })
  expect(await connect({ peerAddress: "2001:db8::1", isLoopback: true })).toBe("refused")
  await bans.remove("address", "2001:DB8::1")
  expect(await connect({ peerAddress: "2001:db8::1", isLoopback: true })).toMatchObject({ name: "anonymous" })
})

test("a ban holds in memory although the disk refuses it", async () => {
  const machine = new AccessMachine()
  const { bans } = await machine.start()
  machine.fails = true
  expect(await codeOf(bans.add({ kind: "client", value: "c" }))).toBe("store_closed")
  expect(bans.isBanned(comer)).toBe(true)
})

test("a ban that comes while the former is being lifted stays", async () => {
  const machine = new AccessMachine()
  const { bans } = await machine.start()
  await bans.add({ kind: "client", value: "c" })
  await Promise.all([bans.remove("client", "c"), bans.add({ kind: "client", value: "c", reason: "again" })])
  expect(bans.isBanned(comer)).toBe(true)
  expect((await machine.start()).bans.list()).toMatchObject([{ reason: "again" }])
})

test("there are never more bans than the limit; those that have ended give their places back", async () => {
  const machine = new AccessMachine()
  const { bans } = await machine.start({ maxBans: 2 })
  await bans.add({ kind: "client", value: "a" })
  await bans.add({ kind: "client", value: "b", expires: machine.clock.now() + 1_000 })
  expect(await codeOf(bans.add({ kind: "client", value: "c" }))).toBe("ban_invalid")
  machine.clock.advance(1)
  await bans.add({ kind: "client", value: "c" })
  expect([...machine.records.keys()].filter((key) => key.startsWith("ban/"))).toEqual(["ban/client/a", "ban/client/c"])
})

test("a malformed ban is refused", async () => {
  const machine = new AccessMachine()
  const { bans } = await machine.start()
  const refused: unknown[] = [
    { kind: "topic", value: "x" },
    { kind: "client", value: "" },
    { kind: "client", value: "x".repeat(513) },
    { kind: "username", value: "a\u0000" },
    { kind: "address", value: "localhost" },
    { kind: "address", value: "10.0.0.0/8" },
    { kind: "client", value: "x", expires: machine.clock.now() },
    { kind: "client", value: "x", expires: 1.5 },
    { kind: "client", value: "x", reason: "x".repeat(201) },
  ]
  for (const request of refused)
    expect(await codeOf(bans.add(request as BanRequest)), JSON.stringify(request)).toBe("ban_invalid")
})

test("an unreadable ban holds, and is reported", async () => {
  const machine = new AccessMachine()
  machine.records.set("ban/client/c", Buffer.from("{"))
  const { bans } = await machine.start()
  expect(bans.isBanned(comer)).toBe(true)
  expect(machine.logger.messages("error")).toHaveLength(1)
  await bans.remove("client", "c")
  expect(bans.isBanned(comer)).toBe(false)
})
