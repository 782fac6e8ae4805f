import { type Appended, FogError, isFogError, type KeyedKind, type KeyedRecord } from "@brume/core"
import { SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { openTokens, type TokensOptions } from "./auth.ts"

/** Keyed records and one file, which survive a restart; a test can make either fail or lose what is not yet durable. */
class Machine {
  readonly records = new Map<string, Uint8Array>()
  readonly files = new Map<string, string>()
  readonly clock = new VirtualClock()
  readonly logger = new SilentLogger()
  readonly random = new SeededRandom(1)
  /** What the next puts and file writes meet. */
  fails: "nothing" | "log" | "disk" = "nothing"
  /** In which order things became durable. */
  readonly order: string[] = []

  readonly documents = {
    entries: (_kind: KeyedKind) => this.records.entries(),
    put: (records: readonly KeyedRecord[]): Appended => ({ seq: 0, durable: this.#keep(records) }),
  }

  readonly disk = {
    absolute: (path: string) => `/data/${path}`,
    replace: async (path: string, content: Uint8Array) => {
      if (this.fails === "disk") throw new FogError("disk_failed", { message: "no" })
      this.order.push(`file ${path}`)
      this.files.set(path, new TextDecoder().decode(content))
    },
  }

  /** Starts the room on what the last start left. */
  async start(options: Partial<TokensOptions> = {}) {
    const { documents, disk, clock, logger, random } = this
    return openTokens({ documents, disk, clock, logger, random, maxTokens: 5, ...options })
  }

  /** What the file says, as somebody would use it. */
  get fileSecret(): string {
    return (this.files.get("admin-token") ?? "").trim()
  }

  async #keep(records: readonly KeyedRecord[]): Promise<void> {
    await Promise.resolve()
    if (this.fails === "log") throw new FogError("store_closed", { message: "no" })
    for (const { kind, key, value } of records) {
      expect(kind).toBe("document")
      this.order.push(`${value === undefined ? "forget" : "record"} ${key}`)
      if (value === undefined) this.records.delete(key)
      else this.records.set(key, value)
    }
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: unknown) => (isFogError(error) ? error.code : String(error)),
  )
}

test("the first start makes one admin, whose file is durable before its record", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  expect(tokens.madeAdmin?.path).toBe("/data/admin-token")
  expect(tokens.madeAdmin?.secret.reveal()).toBe(machine.fileSecret)
  expect(tokens.authenticate(machine.fileSecret)).toMatchObject({
    name: "admin",
    scopes: ["admin"],
    devices: undefined,
  })
  expect(machine.order).toEqual(["file admin-token", `record token/${tokens.list()[0]!.id}`])
  expect((await machine.start()).madeAdmin, "later starts make none").toBeUndefined()
})

test("a crash between file and record leaves no unknown admin: the next start begins anew", async () => {
  const machine = new Machine()
  machine.fails = "log"
  expect(await codeOf(machine.start())).toBe("store_closed")
  const orphan = machine.fileSecret
  machine.fails = "nothing"
  const tokens = await machine.start()
  expect(tokens.authenticate(orphan)).toBeUndefined()
  expect(tokens.authenticate(machine.fileSecret)).toBeDefined()
  expect(tokens.list()).toHaveLength(1)
})

test("no admin is made when its file cannot be written", async () => {
  const machine = new Machine()
  machine.fails = "disk"
  expect(await codeOf(machine.start())).toBe("disk_failed")
  expect(machine.records.size).toBe(0)
})

test("a deleted admin-token file makes no new admin, a reset does and revokes the former", async () => {
  const machine = new Machine()
  await machine.start()
  const former = machine.fileSecret
  machine.files.clear()
  expect((await machine.start()).madeAdmin).toBeUndefined()
  const tokens = await machine.start({ resetAdminToken: true })
  expect(tokens.authenticate(former)).toBeUndefined()
  expect(tokens.authenticate(machine.fileSecret)).toBeDefined()
  expect((await machine.start()).authenticate(former), "also after a restart").toBeUndefined()
})

test("a reset leaves the tokens that people made", async () => {
  const machine = new Machine()
  const first = await machine.start()
  const { secret } = await first.create({ name: "ops", scopes: ["admin"] })
  const tokens = await machine.start({ resetAdminToken: true })
  expect(tokens.authenticate(secret)).toBeDefined()
  expect(tokens.list().map((info) => info.name)).toEqual(["admin", "ops"].sort())
})

test("a token survives a restart with its scopes and devices; only its hash is stored", async () => {
  const machine = new Machine()
  const before = await machine.start()
  const { info, secret } = await before.create({ name: "hall", scopes: ["write", "read", "read"], devices: ["hall/#"] })
  expect(secret).toMatch(/^brume_[0-9a-hjkmnp-tv-z]{12}_[\w-]{43}$/)
  const stored = [...machine.records.values()].map((value) => new TextDecoder().decode(value)).join("")
  expect(stored).not.toContain(secret.slice(-43))
  expect(JSON.stringify(machine.logger.entries)).not.toContain(secret.slice(-43))
  const after = await machine.start()
  expect(after.authenticate(secret)).toEqual({
    tokenId: info.id,
    name: "hall",
    scopes: ["read", "write"],
    devices: ["hall/#"],
  })
  expect(after.list()).toContainEqual(info)
})

test("a token is not valid before its record is durable, and not at all when it never is", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  machine.fails = "log"
  expect(await codeOf(tokens.create({ name: "x", scopes: ["read"] }))).toBe("store_closed")
  expect(tokens.list()).toHaveLength(1)
})

test.each([
  "",
  "brume_",
  "brume__",
  "admin",
  `brume_000000000000_${"A".repeat(43)}`,
  `brume_${"0".repeat(100_000)}`,
  "brume_\u0000_\ud800",
])("a secret that nobody has opens nothing: %s", async (secret) => {
  const tokens = await new Machine().start()
  expect(tokens.authenticate(secret)).toBeUndefined()
})

test("a secret opens nothing when one character of it is wrong, missing or too much", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  const secret = machine.fileSecret
  for (let i = 0; i < secret.length; i++) {
    const other = secret[i] === "A" ? "B" : "A"
    expect(tokens.authenticate(secret.slice(0, i) + other + secret.slice(i + 1)), `at ${i}`).toBeUndefined()
  }
  for (const odd of [secret.slice(0, -1), `${secret}A`, `${secret}\n`, secret.toUpperCase(), secret + "A".repeat(200)])
    expect(tokens.authenticate(odd)).toBeUndefined()
})

test("a token ends at its expiry", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  const { secret } = await tokens.create({ name: "guest", scopes: ["read"], expires: machine.clock.now() + 1_000_000 })
  machine.clock.advance(999)
  expect(tokens.authenticate(secret)).toBeDefined()
  machine.clock.advance(1)
  expect(tokens.authenticate(secret)).toBeUndefined()
})

test("a revoked token never works again, and its tombstone stays", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  const { info, secret } = await tokens.create({ name: "lost", scopes: ["read"] })
  const revoking = tokens.revoke(info.id)
  expect(tokens.authenticate(secret), "from the call on").toBeUndefined()
  await revoking
  expect(await codeOf(tokens.revoke(info.id))).toBe("token_not_found")
  expect(machine.records.has(`token/${info.id}`)).toBe(true)
  const after = await machine.start()
  expect(after.authenticate(secret)).toBeUndefined()
  expect(after.list().map((token) => token.id)).not.toContain(info.id)
})

test("a revocation that the disk refuses holds in memory, says so, and can be tried again", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  const { info, secret } = await tokens.create({ name: "lost", scopes: ["read"] })
  machine.fails = "log"
  expect(await codeOf(tokens.revoke(info.id))).toBe("store_closed")
  expect(tokens.authenticate(secret)).toBeUndefined()
  expect(tokens.list()).toHaveLength(1)
  machine.fails = "nothing"
  await tokens.revoke(info.id)
  expect((await machine.start()).authenticate(secret)).toBeUndefined()
})

test("revoking the last admin is allowed, and names the way back", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  await tokens.revoke(tokens.list()[0]!.id)
  expect(machine.logger.messages("warn").join()).toContain("--reset-admin-token")
  expect((await machine.start()).madeAdmin, "no admin makes itself").toBeUndefined()
  expect((await machine.start({ resetAdminToken: true })).madeAdmin).toBeDefined()
})

test("a malformed description is refused with all its mistakes", async () => {
  const machine = new Machine()
  const tokens = await machine.start()
  const past = machine.clock.now()
  const refused = [
    { name: "", scopes: ["read"] },
    { name: "x".repeat(600), scopes: ["read"] },
    { name: "a\nb", scopes: ["read"] },
    { name: "x", scopes: [] },
    { name: "x", scopes: ["root"] },
    { name: "x", scopes: ["read"], devices: [] },
    { name: "x", scopes: ["read"], devices: ["a/#/b"] },
    { name: "x", scopes: ["read"], devices: ["x".repeat(600)] },
    { name: "x", scopes: ["read"], devices: new Array(65).fill("a") },
    { name: "x", scopes: ["admin"], devices: ["a"] },
    { name: "x", scopes: ["read"], expires: past },
    { name: "x", scopes: ["read"], expires: 1.5 },
    { name: "x", scopes: ["read"], expires: Number.POSITIVE_INFINITY },
  ]
  // Callers outside may send anything.
  for (const request of refused as unknown as Parameters<typeof tokens.create>[0][])
    expect(await codeOf(tokens.create(request)), JSON.stringify(request)).toBe("token_invalid")
  const error: unknown = await tokens.create({ name: "", scopes: [], expires: 1 }).catch((reason: unknown) => reason)
  expect((error as FogError).details?.mistakes).toHaveLength(3)
})

test("there are never more tokens than the limit, also when many are made at once", async () => {
  const tokens = await new Machine().start()
  const codes = await Promise.all(
    Array.from({ length: 8 }, (_, i) => codeOf(tokens.create({ name: `t${i}`, scopes: ["read"] }))),
  )
  expect(codes.filter((code) => code === "no error")).toHaveLength(4)
  expect(codes.filter((code) => code === "token_invalid")).toHaveLength(4)
  await tokens.revoke(tokens.list()[1]!.id)
  expect(await codeOf(tokens.create({ name: "again", scopes: ["read"] }))).toBe("no error")
})

test.each([
  "",
  "{",
  "null",
  "[]",
  '{"name":"x"}',
  '{"name":"x","scopes":["read"],"created":1,"hash":"00"}',
  `{"name":"x","scopes":["root"],"created":1,"hash":"${"0".repeat(64)}"}`,
  "\u00ff",
])("a damaged record %j opens nothing, is reported, and makes no new admin", async (text) => {
  const machine = new Machine()
  machine.records.set("token/abc", Buffer.from(text, "latin1"))
  machine.records.set("other/thing", Buffer.from("{}"))
  const tokens = await machine.start()
  expect(tokens.madeAdmin).toBeUndefined()
  expect(tokens.list()).toEqual([])
  expect(machine.logger.messages("error")).toHaveLength(1)
})

test("tombstones are bounded: the oldest are forgotten, and their ids still open nothing", async () => {
  const machine = new Machine()
  for (let i = 0; i < 10_000; i++)
    machine.records.set(`token/old${i}`, Buffer.from(JSON.stringify({ revoked: 1_000 + i })))
  const tokens = await machine.start({ resetAdminToken: true })
  const { info, secret } = await tokens.create({ name: "x", scopes: ["read"] })
  await tokens.revoke(info.id)
  expect(machine.records.has("token/old0")).toBe(false)
  expect(machine.records.has("token/old1")).toBe(true)
  expect(tokens.authenticate(secret)).toBeUndefined()
})
