/** The client against the node's own API: what both sides must agree on. */
import { connectAsync } from "mqtt"
import { expect, test } from "vitest"
import { type ApiRig, apiRig } from "../../../test/rig/api.ts"
import { type BrumeClient, createClient } from "./client.ts"
import type { ClientListOptions } from "./clients.ts"
import type { LiveReading } from "./live/live.ts"

interface Agreed extends AsyncDisposable {
  readonly rig: ApiRig
  readonly url: string
  readonly client: BrumeClient
}

async function agreed(): Promise<Agreed> {
  const rig = await apiRig()
  const api = await rig.listen()
  return {
    rig,
    url: api.url,
    client: createClient({ url: api.url, token: rig.admin, retry: { maxAttempts: 1 } }),
    [Symbol.asyncDispose]: () => api.close(),
  }
}

test("a write is acknowledged with its place, and the same key stores once", async () => {
  await using at = await agreed()
  const reading = { device: "d", values: { t: 4.2, door: "open" } }
  const first = await at.client.writeReadings(reading, { idempotencyKey: "k" })
  expect(first).toEqual({ accepted: 2, seq: expect.any(Number), epoch: expect.stringMatching(/^[0-9a-f]{16}$/) })
  expect(await at.client.writeReadings(reading, { idempotencyKey: "k" })).toEqual(first)
  const other = await at.client.writeReadings(reading)
  expect(other.seq).toBeGreaterThan(first.seq + 1)
  await expect(
    at.client.writeReadings({ device: "e", property: "t", value: 1 }, { idempotencyKey: "k" }),
  ).rejects.toMatchObject({ code: "idempotency_conflict" })
})

test("every kind of value arrives as it is, listed with the device", async () => {
  await using at = await agreed()
  const device = "hall/1 °"
  await at.client.writeReadings([
    { device, property: "a", value: 4.2, time: new Date(1_700_000_000_123), tags: { unit: "C" }, quality: 4 },
    { device, property: "b", value: 2n ** 63n, time: "2025-01-01T00:00:00.000001Z" },
    { device, property: "c", value: { open: [true] } },
    { device, property: "d", value: "text" },
    { device, property: "e", value: false },
  ])
  const { latest } = await at.client.devices.get(device)
  const by = new Map(latest.map((reading) => [reading.property, reading]))
  expect(by.get("a")).toMatchObject({
    value: 4.2,
    time: "2023-11-14T22:13:20.123000Z",
    tags: '{"unit":"C"}',
    quality: 4,
  })
  expect(by.get("b")).toMatchObject({ json: "9223372036854775808", time: "2025-01-01T00:00:00.000001Z" })
  expect(by.get("c")).toMatchObject({ json: '{"open":[true]}' })
  expect(by.get("d")).toMatchObject({ text: "text" })
  expect(by.get("e")).toMatchObject({ json: "false" })
  const listed: string[] = []
  await at.client.writeReadings(Array.from({ length: 5 }, (_, i) => ({ device: `n${i}`, property: "p", value: i })))
  for await (const one of at.client.devices.list({ pageSize: 2 })) listed.push(one.device)
  expect(listed).toEqual([device, "n0", "n1", "n2", "n3", "n4"])
  await expect(at.client.devices.get("nowhere")).rejects.toMatchObject({ code: "device_not_found" })
})

test("the lines that a node refuses are found by the writer, however many they are", async () => {
  await using at = await agreed()
  for (const bad of [3, 30]) {
    const rejected: string[] = []
    const writer = at.client.writer({ maxBatch: 100, onRejected: (_error, lines) => rejected.push(...lines) })
    const tooLong = "x".repeat(100_000)
    for (let i = 0; i < 100; i++) {
      await writer.add({ device: `w${bad}`, property: "p", value: i % 3 === 0 && i < bad * 3 ? tooLong : i })
    }
    await writer.close()
    expect(writer.stats()).toMatchObject({ written: 100 - bad, rejected: bad })
    expect(rejected).toHaveLength(bad)
  }
})

test("a token that is limited to devices costs a writer the readings of others alone", async () => {
  await using at = await agreed()
  const secret = await at.rig.token({ scopes: ["write", "read"], devices: ["cold/#"] })
  const limited = createClient({ url: at.url, token: secret })
  const writer = limited.writer({ maxBatch: 10 })
  for (let i = 0; i < 10; i++)
    await writer.add({ device: i % 2 === 0 ? "cold/a" : `warm/${i}`, property: "p", value: i })
  await writer.close()
  expect(writer.stats()).toMatchObject({ written: 5, rejected: 5 })
  await expect(limited.query("SELECT 1")).rejects.toMatchObject({ code: "forbidden" })
  expect((await limited.status()).token).toMatchObject({ scopes: ["read", "write"], devices: ["cold/#"] })
})

test("line protocol is stored, and what is wrong with it is said in the registry's words", async () => {
  await using at = await agreed()
  await at.client.writeLines({ lineProtocol: "room,host=h t=1 1735689600", precision: "s" })
  expect((await at.client.devices.get("h")).latest).toHaveLength(1)
  await expect(at.client.writeLines({ lineProtocol: "nonsense" })).rejects.toMatchObject({ code: "readings_invalid" })
})

test("live readings come as they are stored, through the filters", async () => {
  await using at = await agreed()
  const seen: LiveReading[] = []
  await using live = at.client.live(
    { devices: ["cold/+"], properties: ["t"] },
    { onReadings: (readings) => seen.push(...readings) },
  )
  while (live.state.state !== "open") await new Promise((resolve) => setTimeout(resolve, 5))
  for (const device of ["cold/a", "warm/a", "cold/a/b", "cold/b"]) {
    await at.client.writeReadings([
      { device, property: "t", value: 1 },
      { device, property: "other", value: 1 },
    ])
  }
  // The rig's streams wait for their clock.
  while (seen.length < 2) {
    at.rig.clock.advance(100)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(seen.map(({ device, property }) => [device, property])).toEqual([
    ["cold/a", "t"],
    ["cold/b", "t"],
  ])
})

test("a stream without a valid token ends with the node's reason", async () => {
  await using at = await agreed()
  const live = createClient({ url: at.url, token: "brume_unknown_secret" }).live()
  await expect(
    (async () => {
      for await (const _reading of live);
    })(),
  ).rejects.toMatchObject({ code: "unauthenticated", hint: expect.any(String) })
})

test("statements stream, are listed and are cancelled", async () => {
  await using at = await agreed()
  expect(await at.client.query("SELECT 1")).toHaveLength(1)
  at.rig.running.push({ id: "q-1", sql: "SELECT 1", started: 0, state: "running" })
  expect(await at.client.queries.list()).toEqual([
    { id: "q-1", sql: "SELECT 1", started: "1970-01-01T00:00:00.000000Z", state: "running" },
  ])
  await at.client.queries.cancel("q-1")
  expect(at.rig.cancelled).toEqual(["q-1"])
  await expect(at.client.queries.cancel("q-2")).rejects.toMatchObject({ code: "query_not_found" })
})

test("tokens are created, listed and revoked", async () => {
  await using at = await agreed()
  const created = await at.client.tokens.create({ name: "n", scopes: ["read"], expires: new Date("2099-01-01") })
  expect(created).toMatchObject({ name: "n", scopes: ["read"], expires: "2099-01-01T00:00:00.000000Z" })
  expect(created.secret).toMatch(/^brume_/)
  expect((await at.client.tokens.list()).map(({ name }) => name)).toContain("n")
  await at.client.tokens.revoke(created.id)
  await expect(createClient({ url: at.url, token: created.secret }).status()).rejects.toMatchObject({
    code: "unauthenticated",
  })
  await expect(at.client.tokens.revoke(created.id)).rejects.toMatchObject({ code: "token_not_found" })
})

test("MQTT clients are listed over all pages, shown, disconnected and forgotten", async () => {
  await using at = await agreed()
  const open = (clientId: string) =>
    connectAsync(`${at.url.replace("http", "ws")}/mqtt`, { clientId, reconnectPeriod: 0, clean: false })
  for (const id of ["a", "b/1", "c"]) await open(id)
  const ids = async (options?: ClientListOptions) => {
    const found: string[] = []
    for await (const { id } of at.client.clients.list(options)) found.push(id)
    return found
  }
  expect(await ids({ pageSize: 2 })).toEqual(["a", "b/1", "c"])
  expect(await at.client.clients.get("b/1")).toMatchObject({ id: "b/1", connected: true, protocol: "3.1.1" })
  await at.client.clients.disconnect("b/1")
  await expect.poll(() => ids({ connected: false })).toEqual(["b/1"])
  await at.client.clients.disconnect("b/1", { forget: true })
  expect(await ids()).toEqual(["a", "c"])
  await expect(at.client.clients.get("b/1")).rejects.toMatchObject({ code: "client_not_found" })
  await expect(at.client.clients.disconnect("b/1")).rejects.toMatchObject({ code: "client_not_found" })
})

test("credentials are created, listed over pages, changed, rotated and revoked", async () => {
  await using at = await agreed()
  const { credentials } = at.client
  const made = await credentials.create({ username: "hall/lamp °", permissions: { publish: ["devices/%u/#"] } })
  expect(made).toEqual({
    username: "hall/lamp °",
    password: expect.stringMatching(/^[\w-]{43}$/),
    permissions: { publish: ["devices/%u/#"], subscribe: ["devices/%u", "devices/%u/#"] },
    created: expect.stringMatching(/Z$/),
    disabled: false,
  })
  expect(await credentials.create({ username: "pump", password: "chosen by hand" })).not.toHaveProperty("password")
  const changed = await credentials.change("hall/lamp °", { disabled: true, permissions: { subscribe: [] } })
  expect(changed).toMatchObject({ disabled: true, permissions: { publish: ["devices/%u/#"], subscribe: [] } })
  const rotated = await credentials.rotate("hall/lamp °")
  expect(rotated.password).toMatch(/^[\w-]{43}$/)
  expect(rotated.password).not.toBe(made.password)
  expect(await credentials.rotate("pump", "another by hand")).not.toHaveProperty("password")
  const certified = await credentials.create({ username: "valve", certificate: { name: "valve.example" } })
  expect(certified.certificate).toEqual({ name: "valve.example" })
  const names: string[] = []
  for await (const { username } of credentials.list()) names.push(username)
  expect(names).toEqual(["hall/lamp °", "pump", "valve"])
  await credentials.revoke("hall/lamp °")
  await expect(credentials.revoke("hall/lamp °")).rejects.toMatchObject({ code: "credential_not_found" })
  await expect(credentials.create({ username: "pump" })).rejects.toMatchObject({ code: "credential_exists" })
  await expect(credentials.create({ username: "#" })).rejects.toMatchObject({ code: "credential_invalid" })
})

test("credentials beyond one page are listed once each", async () => {
  await using at = await agreed()
  const wanted = Array.from({ length: 7 }, (_, i) => `lamp-${i}`)
  for (const username of wanted) await at.client.credentials.create({ username, certificate: {} })
  const pages: string[][] = []
  let cursor = ""
  do {
    const answer = await fetch(`${at.url}/v1/credentials?limit=3${cursor}`, {
      headers: { authorization: `Bearer ${at.rig.admin}` },
    })
    const page = (await answer.json()) as { credentials: { username: string }[]; cursor?: string }
    pages.push(page.credentials.map(({ username }) => username))
    cursor = page.cursor === undefined ? "" : `&cursor=${page.cursor}`
  } while (cursor !== "")
  expect(pages.map(({ length }) => length)).toEqual([3, 3, 1])
  expect(pages.flat()).toEqual(wanted)
})

test("bans are added, listed and lifted", async () => {
  await using at = await agreed()
  const { bans } = at.client
  const ban = await bans.add({ kind: "client", value: "a/b °", expires: new Date("2099-01-01"), reason: "noise" })
  expect(ban).toMatchObject({ kind: "client", value: "a/b °", expires: "2099-01-01T00:00:00.000000Z", reason: "noise" })
  expect(await bans.list()).toEqual([ban])
  await bans.remove("client", "a/b °")
  await expect(bans.remove("client", "a/b °")).rejects.toMatchObject({ code: "ban_not_found" })
  await expect(bans.add({ kind: "address", value: "nowhere" })).rejects.toMatchObject({ code: "ban_invalid" })
})

test("a token without the scope admin learns nothing of credentials and bans", async () => {
  await using at = await agreed()
  const other = createClient({ url: at.url, token: await at.rig.token({ scopes: ["read", "write"] }) })
  await expect(other.credentials.list().next()).rejects.toMatchObject({ code: "forbidden" })
  await expect(other.credentials.create({ username: "x" })).rejects.toMatchObject({ code: "forbidden" })
  await expect(other.bans.list()).rejects.toMatchObject({ code: "forbidden" })
})
