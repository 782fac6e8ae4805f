import { expect, test } from "vitest"
import { AccessMachine } from "../../../../test/rig/access.ts"

const scryptUser = { username: "lamp", password: "chosen by hand" }

test("a token is a password under any username, and allows what its scopes and devices do", async () => {
  const { tokens, admitted } = await new AccessMachine().start()
  const { info, secret } = await tokens.create({ name: "hall", scopes: ["write", "read"], devices: ["hall/#"] })
  for (const username of ["anything", undefined]) {
    const identity = await admitted({ password: secret, ...(username === undefined ? {} : { username }) })
    expect(identity).toMatchObject({ name: "hall", isUnrestricted: false })
    expect(identity.principal).toMatchObject({ tokenId: info.id, devices: ["hall/#"] })
    expect(identity.mayPublish("devices/hall/1")).toBe(true)
    expect(identity.mayPublish("devices/cold")).toBe(false)
    expect(identity.maySubscribe("devices/hall/#")).toBe("allowed")
    expect(identity.maySubscribe("#")).toBe("refused")
  }
  const { secret: all } = await tokens.create({ name: "all", scopes: ["write", "read"] })
  expect(await admitted({ password: all })).toMatchObject({ isUnrestricted: true })
})

test("a credential publishes and subscribes by its permissions, and its readings are of its devices", async () => {
  const { credentials, admitted } = await new AccessMachine().start()
  await credentials.create(scryptUser)
  const identity = await admitted(scryptUser)
  expect(identity.principal).toEqual({
    tokenId: "credential/lamp",
    name: "lamp",
    scopes: ["read", "write"],
    devices: ["lamp", "lamp/#"],
  })
  expect(identity.mayPublish("devices/lamp/on")).toBe(true)
  expect(identity.mayPublish("devices/lamp2")).toBe(false)
  expect(identity.maySubscribe("devices/+/on")).toBe("refused")
  await credentials.create({ username: "sink", permissions: { publish: [], subscribe: ["#"] } })
  await credentials.rotate("sink", "listens to all")
  const sink = await admitted({ username: "sink", password: "listens to all" })
  expect(sink.principal).toMatchObject({ scopes: ["read"], devices: [] })
  expect(sink.mayPublish("devices/sink")).toBe(false)
})

test("nobody comes in without a password, with a wrong one, or with a token that is none", async () => {
  const { credentials, connect } = await new AccessMachine().start()
  await credentials.create(scryptUser)
  const refused = [
    {},
    { username: "lamp" },
    { username: "lamp", password: "" },
    { username: "lamp", password: "chosen by hanD" },
    { username: "nobody", password: "chosen by hand" },
    { password: "chosen by hand" },
    { username: "lamp", password: "brume_x_y" },
    { username: "lamp", password: `brume_${"x".repeat(70_000)}` },
    { username: "lamp", password: "x".repeat(70_000) },
    { isLoopback: true },
    { certificateName: "lamp" },
  ]
  for (const [index, request] of refused.entries())
    expect(await connect({ peerAddress: `192.0.2.${index}`, ...request }), JSON.stringify(request).slice(0, 80)).toBe(
      "refused",
    )
})

test("a refusal costs one slow hash, whether the username is known, unknown, disabled or without a slow password", async () => {
  const machine = new AccessMachine()
  const { credentials, connect } = await machine.start()
  await credentials.create(scryptUser)
  await credentials.create({ username: "made" })
  await credentials.create({ username: "certified", certificate: {} })
  await credentials.create({ username: "off", password: "chosen by hand" })
  await credentials.change("off", { disabled: true })
  for (const username of ["lamp", "made", "certified", "off", "nobody"]) {
    machine.comparisons = 0
    const password = username === "off" ? "chosen by hand" : "a wrong password"
    expect([username, await connect({ username, password })]).toEqual([username, "refused"])
    expect([username, machine.comparisons]).toEqual([username, 1])
  }
})

test("a reconnect storm costs no slow hash, also long after the first connection; a rotated password is hashed again", async () => {
  const machine = new AccessMachine()
  const { credentials, admitted, connect } = await machine.start()
  await credentials.create(scryptUser)
  const connected = await admitted(scryptUser)
  connected.onRevoked({ rightEnded() {} })
  expect(machine.comparisons).toBe(1)
  // Connected for a day, then cut off.
  machine.clock.advance(86_400_000)
  connected.left()
  machine.clock.advance(14 * 60_000)
  for (let i = 0; i < 100; i++) await admitted(scryptUser)
  expect(machine.comparisons).toBe(1)
  expect(await connect({ ...scryptUser, password: "a wrong password" })).toBe("refused")
  machine.clock.advance(20 * 60_000)
  await admitted(scryptUser)
  expect(machine.comparisons, "forgotten after a while").toBe(3)
  await credentials.rotate("lamp", "another by hand")
  expect(await connect(scryptUser)).toBe("refused")
  await admitted({ ...scryptUser, password: "another by hand" })
  expect(machine.comparisons).toBe(5)
})

test("devices that share a credential and come together cost one slow hash", async () => {
  const machine = new AccessMachine()
  const { credentials, connect } = await machine.start()
  await credentials.create(scryptUser)
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, i) => connect({ ...scryptUser, clientId: `c${i}` })),
  )
  expect(outcomes.every((outcome) => typeof outcome !== "string")).toBe(true)
  expect(machine.comparisons).toBe(1)
})

test("guessing at one username is throttled without a slow hash, and only from that address", async () => {
  const machine = new AccessMachine()
  const { credentials, tokens, connect, admitted } = await machine.start()
  await credentials.create(scryptUser)
  const { password: made } = await credentials.create({ username: "made" })
  const { secret } = await tokens.create({ name: "t", scopes: ["read"] })
  const outcomes: unknown[] = []
  for (let i = 0; i < 15; i++) outcomes.push(await connect({ username: "lamp", password: `guess ${i}` }))
  expect(outcomes).toEqual([...new Array(10).fill("refused"), ...new Array(5).fill("throttled")])
  expect(machine.comparisons).toBe(10)
  expect(await connect(scryptUser), "also the right one").toBe("throttled")
  await admitted({ ...scryptUser, peerAddress: "192.0.2.9" })
  await admitted(scryptUser)
  // What needs no slow hash is never throttled.
  await admitted({ username: "made", password: made! })
  await admitted({ password: secret })
  machine.clock.advance(60_000)
  expect(await connect({ username: "lamp", password: "guess" })).toBe("refused")
})

test("an address with many failures is told so, logged, and has one slow hash at a time", async () => {
  const machine = new AccessMachine()
  const { credentials, connect } = await machine.start()
  await credentials.create(scryptUser)
  await credentials.create({ username: "other", password: "another by hand" })
  for (let i = 0; i < 30; i++) expect(await connect({ username: `u${i}`, password: "guess it" })).toBe("refused")
  expect(await connect({ username: "u30", password: "guess it" })).toBe("throttled")
  expect(machine.logger.messages("warn").join()).toContain("wrong password")
  const both = await Promise.all([connect(scryptUser), connect({ username: "other", password: "another by hand" })])
  expect(both).toEqual([expect.objectContaining({ name: "lamp" }), "throttled"])
  expect(await connect({ username: "other", password: "another by hand" })).toMatchObject({ name: "other" })
})

test("slow hashes that wait are bounded: others are told to come later", async () => {
  const machine = new AccessMachine()
  const { connect } = await machine.start()
  let release = () => {}
  machine.held = new Promise((resolve) => {
    release = resolve
  })
  const all = Array.from({ length: 1_000 }, (_, i) =>
    connect({ username: `u${i}`, password: "guess it", peerAddress: `192.0.2.${i % 5}` }),
  )
  release()
  const outcomes = await Promise.all(all)
  expect(machine.comparisons).toBe(66)
  expect(outcomes.filter((outcome) => outcome === "throttled")).toHaveLength(934)
})

test("anonymous clients come from this machine alone, and only where that is allowed", async () => {
  const open = await new AccessMachine().start({ allowAnonymous: true })
  const identity = await open.admitted({ isLoopback: true })
  expect(identity).toMatchObject({ name: "anonymous", isUnrestricted: true })
  expect(identity.maySubscribe("$SYS/#")).toBe("refused")
  expect(await open.connect({ isLoopback: false })).toBe("refused")
  expect(await open.connect({ isLoopback: true, username: "x", password: "a wrong one" })).toBe("refused")
  expect(await (await new AccessMachine().start()).connect({ isLoopback: true })).toBe("refused")
})

test("a verified certificate names its credential", async () => {
  const { credentials, connect, admitted } = await new AccessMachine().start()
  const fingerprint = "ab".repeat(32)
  await credentials.create({ username: "lamp", certificate: {} })
  await credentials.create({ username: "pump", certificate: { name: "pump-7.example", fingerprint } })
  expect(await admitted({ certificateName: "lamp" })).toMatchObject({ name: "lamp" })
  expect(await admitted({ certificateName: "lamp", username: "lamp" })).toMatchObject({ name: "lamp" })
  expect(await connect({ certificateName: "lamp", username: "pump" }), "it is not that one").toBe("refused")
  expect(await connect({ certificateName: "pump-7.example" })).toBe("refused")
  expect(await connect({ certificateName: "pump" })).toBe("refused")
  const colons = "AB:".repeat(31)
  const pump = { certificateName: "pump-7.example", certificateFingerprint: `${colons}AB` }
  expect(await admitted(pump)).toMatchObject({ name: "pump" })
  expect(await connect({ ...pump, certificateFingerprint: `${colons}AC` })).toBe("refused")
  expect(await connect({ certificateName: "lamp", username: "lamp", password: "some password" })).toBe("refused")
  await credentials.change("lamp", { disabled: true })
  expect(await connect({ certificateName: "lamp" })).toBe("refused")
})

test.each([
  ["revoked", (rig) => rig.credentials.revoke("lamp")],
  ["disabled", (rig) => rig.credentials.change("lamp", { disabled: true })],
  ["given other permissions", (rig) => rig.credentials.change("lamp", { permissions: { publish: [] } })],
  ["given another password", (rig) => rig.credentials.rotate("lamp")],
  ["banned by name", (rig) => rig.bans.add({ kind: "username", value: "lamp" })],
  ["banned by address", (rig) => rig.bans.add({ kind: "address", value: "192.0.2.1" })],
  ["banned by client id", (rig) => rig.bans.add({ kind: "client", value: "c" })],
] as const satisfies [string, (rig: Awaited<ReturnType<AccessMachine["start"]>>) => Promise<unknown>][])(
  "a connection whose credential is %s is ended once, and no other",
  async (_what, happen) => {
    const rig = await new AccessMachine().start()
    await rig.credentials.create(scryptUser)
    await rig.credentials.create({ username: "other", password: "another by hand" })
    let ended = 0
    let others = 0
    ;(await rig.admitted(scryptUser)).onRevoked({ rightEnded: () => ended++ })
    const gone = await rig.admitted(scryptUser)
    gone.onRevoked({ rightEnded: () => others++ })
    gone.left()
    const other = { username: "other", password: "another by hand", clientId: "d", peerAddress: "192.0.2.2" }
    ;(await rig.admitted(other)).onRevoked({ rightEnded: () => others++ })
    await happen(rig)
    await happen(rig).catch(() => {})
    expect([ended, others]).toEqual([1, 0])
  },
)

test("a connection ends when its token is revoked or expires, whatever the clock does meanwhile", async () => {
  const machine = new AccessMachine()
  const { tokens, admitted } = await machine.start()
  const ended: string[] = []
  const make = async (name: string, inMs?: number) => {
    const expires = inMs === undefined ? {} : { expires: machine.clock.now() + inMs * 1_000 }
    const { info, secret } = await tokens.create({ name, scopes: ["read"], ...expires })
    const identity = await admitted({ password: secret })
    identity.onRevoked({ rightEnded: () => ended.push(name) })
    return { id: info.id, identity }
  }
  await make("late", 3_600_000)
  await make("soon", 5_000)
  const gone = await make("gone", 6_000)
  const revoked = await make("revoked")
  gone.identity.left()
  await tokens.revoke(revoked.id)
  expect(ended).toEqual(["revoked"])
  machine.clock.advance(5_000)
  expect(ended).toEqual(["revoked", "soon"])
  machine.clock.advance(3_595_000)
  expect(ended).toEqual(["revoked", "soon", "late"])
})

test("what ends an identity before the front asks to be told is told as well", async () => {
  const machine = new AccessMachine()
  const { credentials, bans, admitted } = await machine.start()
  await credentials.create(scryptUser)
  const first = await admitted(scryptUser)
  await credentials.change("lamp", { permissions: { publish: [] } })
  const second = await admitted(scryptUser)
  await bans.add({ kind: "client", value: "c" })
  const ended: string[] = []
  first.onRevoked({ rightEnded: () => ended.push("first") })
  second.onRevoked({ rightEnded: () => ended.push("second") })
  expect(ended, "never before it returns").toEqual([])
  await Promise.resolve()
  expect(ended).toEqual(["first", "second"])
  second.left()
})

test("a password that was changed while it was compared opens nothing", async () => {
  const machine = new AccessMachine()
  const { credentials, connect } = await machine.start()
  await credentials.create(scryptUser)
  let release = () => {}
  machine.held = new Promise((resolve) => {
    release = resolve
  })
  const connecting = connect(scryptUser)
  await credentials.revoke("lamp")
  release()
  expect(await connecting).toBe("refused")
})
