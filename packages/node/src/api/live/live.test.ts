import { batchOf, type Reading } from "@brume/core"
import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { type ApiRig, apiRig, machineClock } from "../../../../../test/rig/api.ts"
import { parseRawAnswer, rawConnection } from "../../../../../test/rig/raw-http.ts"
import { type Listener, listenTo } from "../../../../../test/rig/web-socket.ts"
import { createLive } from "../../devices/live.ts"
import { createMetrics } from "../../metrics/metrics.ts"
import type { Api } from "../api.ts"
import type { ApiOptions } from "../options.ts"

interface Open extends AsyncDisposable {
  readonly rig: ApiRig
  readonly api: Api
  listen(search?: string, secret?: string): Promise<Listener>
  store(...devices: string[]): void
}

async function opened(options: Partial<ApiOptions> | ((rig: ApiRig) => Partial<ApiOptions>) = {}): Promise<Open> {
  const rig = await apiRig()
  const api = await rig.listen(typeof options === "function" ? options(rig) : options)
  return {
    rig,
    api,
    listen: (search = "", secret = rig.admin) => listenTo(`${api.url}/v1/live${search}`, { secret }),
    store: (...devices) =>
      void rig.store.append(batchOf(devices.map((device) => ({ device, property: "t", value: 1 })))),
    [Symbol.asyncDispose]: () => api.close(),
  }
}

/** The API by a clock whose timers a test fires; they fire by themselves while it closes. */
async function openedBy(clock: VirtualClock): Promise<Open> {
  const now = () => clock.now()
  const open = await opened({ clock: { ...machineClock, now, after: (delayMs, call) => clock.after(delayMs, call) } })
  const close = async () => {
    const ticks = setInterval(() => clock.advance(10), 1)
    await open.api.close()
    clearInterval(ticks)
  }
  return { ...open, [Symbol.asyncDispose]: close }
}

const aWhile = () => new Promise((resolve) => setTimeout(resolve, 50))

const devicesOf = (listener: Listener) => listener.readings().map(({ device }) => device)

test("readings are heard after they are durable, in their order, as the API shows readings", async () => {
  await using open = await opened()
  const listener = await open.listen()
  const release = open.rig.store.hold()
  open.store("a", "b")
  open.store("c")
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(listener.messages).toEqual([])
  release()
  await expect.poll(() => devicesOf(listener)).toEqual(["a", "b", "c"])
  expect(listener.socket.protocol).toBe("brume.v1")
  expect(listener.readings()[0]).toEqual({
    time: "1970-01-01T00:00:00.000000Z",
    received: expect.stringMatching(/^\d{4}-.*\.\d{6}Z$/),
    device: "a",
    property: "t",
    value: 1,
    text: null,
    json: null,
    tags: "{}",
    quality: 0,
    node: "rig",
    epoch: open.rig.store.epoch,
    seq: expect.any(Number),
  })
})

test("filters narrow the stream, and a limited token hears its devices alone", async () => {
  await using open = await opened()
  const secret = await open.rig.token({ devices: ["cold/#"] })
  const filtered = await open.listen("?device=cold/%2B&device=hot")
  const limited = await open.listen("", secret)
  const both = await open.listen("?device=hot", secret)
  const property = await open.listen("?property=other")
  open.store("cold/1", "cold/1/x", "hot", "warm")
  await expect.poll(() => devicesOf(filtered)).toEqual(["cold/1", "hot"])
  await expect.poll(() => devicesOf(limited)).toEqual(["cold/1", "cold/1/x"])
  expect([both.messages, property.messages]).toEqual([[], []])
})

test("a page passes its token as a subprotocol, and never hears it back", async () => {
  await using open = await opened()
  const protocols = ["brume.v1", `bearer.${open.rig.admin}`]
  const listener = await listenTo(`${open.api.url}/v1/live`, { protocols })
  expect(listener.socket.protocol).toBe("brume.v1")
})

test.each([
  ["no token", {}, /^401 .*unauthenticated/],
  ["a wrong token", { secret: "wrong" }, /^401 .*unauthenticated/],
  ["a stranger's page", { headers: { origin: "https://evil.example" } }, /^403 .*origin_refused/],
  ["a rebound name", { headers: { host: "evil.example" } }, /^421 .*host_refused/],
])("a handshake with %s is refused with a problem", async (_name, options, reason) => {
  await using open = await opened()
  const secret = "headers" in options ? { secret: open.rig.admin } : {}
  await expect(listenTo(`${open.api.url}/v1/live`, { ...secret, ...options })).rejects.toThrow(reason)
})

test.each(["?device=a%23", "?device=", "?limit=1", `?${"device=a&".repeat(65)}device=z`])(
  "the filter %s is refused before the stream begins",
  async (search) => {
    await using open = await opened()
    await expect(open.listen(search)).rejects.toThrow(/^400 .*request_invalid/)
  },
)

test.each(["/v1/status", "/nowhere", "/write", "/", "/healthz"])("a WebSocket at %s is refused", async (path) => {
  await using open = await opened()
  await expect(listenTo(`${open.api.url}${path}`, { secret: open.rig.admin })).rejects.toThrow(/^40[045] .*"code"/)
})

test.each([
  ["of another version", "sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"],
  ["without a key", "sec-websocket-version: 13\r\n"],
  ["with a short key", "sec-websocket-version: 13\r\nsec-websocket-key: YQ==\r\n"],
])("a handshake %s is refused with a problem", async (_name, lines) => {
  await using open = await opened()
  const connection = await rawConnection(open.api.address)
  connection.write(
    `GET /v1/live HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${open.rig.admin}\r\n` +
      `connection: upgrade\r\nupgrade: websocket\r\n${lines}\r\n`,
  )
  const { status, body } = parseRawAnswer(await connection.ended())
  expect([status, JSON.parse(body).code]).toEqual([400, "request_invalid"])
})

test("streams beyond the limit are refused until one ends", async () => {
  await using open = await opened({ limits: { maxLiveConnections: 1 } })
  const first = await open.listen()
  await expect(open.listen()).rejects.toThrow(/^503 .*too_many_connections/)
  first.socket.close()
  await first.closed
  await expect.poll(() => open.listen().then(() => "open", String)).toBe("open")
})

test("a client that speaks is ended with a reason, one that shouts with the code for it", async () => {
  await using open = await opened()
  const speaks = await open.listen()
  speaks.socket.send("hello")
  expect(await speaks.closed).toEqual([1008, "this stream takes no messages"])
  const shouts = await open.listen()
  shouts.socket.send("x".repeat(2_000))
  expect((await shouts.closed)[0]).toBe(1009)
})

test("a revoked token loses its streams at once, others keep theirs", async () => {
  await using open = await opened()
  const secret = await open.rig.token({ name: "gone" })
  const listener = await open.listen("", secret)
  const other = await open.listen()
  const { id } = open.rig.options.tokens.list().find(({ name }) => name === "gone")!
  const headers = { authorization: `Bearer ${open.rig.admin}` }
  await fetch(`${open.api.url}/v1/tokens/${id}`, { method: "DELETE", headers })
  expect(await listener.closed).toEqual([1008, "the token was revoked or has expired"])
  open.store("a")
  await expect.poll(() => devicesOf(other)).toEqual(["a"])
})

test("an expired token loses its stream with the next ping, which keeps the others", async () => {
  const clock = new VirtualClock()
  await using open = await openedBy(clock)
  const secret = await open.rig.token({ expires: open.rig.clock.now() + 30_000_000 })
  const [expiring, lasting] = [await open.listen("", secret), await open.listen()]
  for (let round = 0; round < 3; round++) {
    clock.advance(20_000)
    open.rig.clock.advance(20_000)
    await aWhile()
  }
  expect(await expiring.closed).toEqual([1008, "the token was revoked or has expired"])
  expect(lasting.socket.readyState).toBe(lasting.socket.OPEN)
})

test("a quiet stream hears a heartbeat with each ping, a busy one does not need it", async () => {
  const clock = new VirtualClock()
  await using open = await openedBy(clock)
  const listener = await open.listen()
  clock.advance(20_000)
  await expect.poll(() => listener.messages).toEqual([{ type: "heartbeat" }])
})

test("a client that answers no ping is given up", async () => {
  const clock = new VirtualClock()
  await using open = await openedBy(clock)
  const listener = await open.listen()
  // The client library answers by itself what it hears.
  listener.socket.pause()
  clock.advance(20_000)
  await aWhile()
  clock.advance(20_000)
  listener.socket.resume()
  expect((await listener.closed)[0]).toBe(1006)
})

test("a slow client costs a bounded queue, hears how many it missed, and holds back nobody", async () => {
  await using open = await opened((rig) => ({
    live: createLive({ store: rig.store, metrics: createMetrics(), maxQueuedReadings: 1_000 }),
  }))
  const [slow, quick] = [await open.listen("?device=slow"), await open.listen("?device=quick")]
  slow.socket.pause()
  const text = "x".repeat(10_000)
  const total = 3_000
  for (let sent = 0; sent < total; sent += 100) {
    const many = Array.from({ length: 100 }, (_, index) => ({ device: "slow", property: `p${index}`, text }))
    open.rig.store.append(batchOf(many))
    open.store("quick")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await expect.poll(() => devicesOf(quick).length).toBe(total / 100)
  slow.socket.resume()
  const missed = () => slow.messages.reduce((sum, { type, count }) => sum + (type === "dropped" ? Number(count) : 0), 0)
  await expect.poll(() => slow.readings().length + missed(), { timeout: 10_000 }).toBe(total)
  expect(missed()).toBeGreaterThan(0)
})

test("readings of a busy node share messages", async () => {
  await using open = await opened()
  const listener = await open.listen()
  const count = 2_000
  for (let stored = 0; stored < count; stored++) open.store(`d${stored}`)
  await expect.poll(() => listener.readings().length).toBe(count)
  expect(listener.messages.length).toBeLessThan(20)
  expect(Math.max(...listener.messages.map(({ readings }) => (readings as Reading[]).length))).toBeLessThanOrEqual(500)
})

test("a node that stops says so to its streams and ends within a second", async () => {
  const open = await opened()
  const listeners = await Promise.all([open.listen(), open.listen()])
  // One does not answer the closing handshake.
  listeners[1]!.socket.pause()
  await open.api.close()
  expect(await listeners[0]!.closed).toEqual([1001, "the node is stopping"])
  listeners[1]!.socket.resume()
  await listeners[1]!.closed
})
