import type { FogError } from "@brume/core"
import { expect, test } from "vitest"
import type { WebSocket } from "ws"
import { json, problem, type ScriptedNode, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { createClient } from "../client.ts"
import type { LiveGap, LiveOptions, LiveReading } from "./live.ts"
import type { LiveState } from "./stream.ts"

const retry = { firstDelayMs: 2, maxDelayMs: 10 }
const reading = (seq: number): Partial<LiveReading> => ({
  device: "d",
  property: "p",
  value: seq,
  seq,
  received: `2025-01-01T00:00:0${seq % 10}.000000Z`,
})
const readings = (...seqs: number[]): string => JSON.stringify({ type: "readings", readings: seqs.map(reading) })
const until = async (what: string, check: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 2_000; turn++) {
    if (check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`never: ${what}`)
}
const lastSocket = (node: ScriptedNode) => {
  const socket = node.sockets.at(-1)
  if (socket === undefined) throw new Error("nobody is connected")
  return socket
}

async function watched(options: LiveOptions = {}) {
  const node = await scriptedNode()
  node.live = () => {}
  const states: LiveState[] = []
  const gaps: LiveGap[] = []
  const live = createClient({ url: node.url, token: "brume_k_s" }).live(
    { devices: ["hall/+", "cold/#"], properties: ["t"] },
    { retry, onState: (state) => states.push(state), onGap: (gap) => gaps.push(gap), ...options },
  )
  return {
    node,
    live,
    states,
    gaps,
    async [Symbol.asyncDispose]() {
      await live.close()
      await node[Symbol.asyncDispose]()
    },
  }
}

test("the token travels as a subprotocol and the filters in the address", async () => {
  await using at = await watched()
  const seen = await new Promise<{ url: string | undefined; protocols: string | undefined }>((resolve) => {
    at.node.live = (_socket, request) =>
      resolve({ url: request.url, protocols: request.headers["sec-websocket-protocol"] })
  })
  expect(seen.url).toBe("/v1/live?device=hall%2F%2B&device=cold%2F%23&property=t")
  expect(seen.protocols).toBe("brume.v1,bearer.brume_k_s")
})

test("readings are iterated in their order, and leaving the loop ends the connection", async () => {
  await using at = await watched()
  at.node.live = (socket) => {
    socket.send(readings(1, 2))
    socket.send(readings(3))
  }
  const seen: number[] = []
  for await (const { seq } of at.live) {
    seen.push(seq)
    if (seq === 3) break
  }
  expect(seen).toEqual([1, 2, 3])
  expect(at.states.at(-1)).toEqual({ state: "closed", reason: undefined, retryInMs: undefined })
  await until("the socket is closed", () => lastSocket(at.node).readyState === 3)
})

test("readings can be taken by a callback instead", async () => {
  const seen: number[] = []
  await using at = await watched({ onReadings: (portion) => seen.push(...portion.map(({ seq }) => seq)) })
  at.node.live = (socket) => socket.send(readings(1, 2))
  await until("both are there", () => seen.length === 2)
  expect(at.live.stats()).toEqual({ received: 2, dropped: 0, queued: 0, connections: 1 })
})

test("a lost connection is opened again, and the gap is told before what comes after it", async () => {
  const events: string[] = []
  await using at = await watched({
    onReadings: (portion) => events.push(...portion.map(({ seq }) => `reading ${seq}`)),
    onGap: (gap) => events.push(`gap after ${gap.after?.seq} from ${gap.from} (${gap.reason})`),
  })
  let turn = 0
  at.node.live = (socket) => socket.send(readings(++turn === 1 ? 1 : 5))
  await until("the first reading", () => events.length === 1)
  lastSocket(at.node).terminate()
  await until("the one after the gap", () => events.includes("reading 5"))
  expect(events).toEqual(["reading 1", "gap after 1 from 2025-01-01T00:00:01.000000Z (disconnected)", "reading 5"])
  expect(at.states.map(({ state }) => state)).toEqual(["connecting", "open", "closed", "connecting", "open"])
  expect(at.states[2]).toMatchObject({ reason: { code: "node_unreachable" }, retryInMs: expect.any(Number) })
})

test("a gap without a reading before it begins when the node was last heard", async () => {
  await using at = await watched()
  const begun = new Date().toISOString()
  await until("it is open", () => at.live.state.state === "open")
  lastSocket(at.node).close(1001, "stopping")
  await until("the gap", () => at.gaps.length === 1)
  const [gap] = at.gaps
  expect(gap?.after).toBeUndefined()
  expect(gap !== undefined && gap.from >= begun && gap.from <= gap.to).toBe(true)
  expect((at.states[2] as { reason?: FogError }).reason?.message).toContain("stopping (code 1001)")
})

test("it goes on trying while the node is away, and tells each attempt", async () => {
  await using at = await watched()
  await until("it is open", () => at.live.state.state === "open")
  await at.node.vanish()
  await until("several attempts", () => at.states.some((state) => state.state === "connecting" && state.attempt > 3))
  await at.node.open()
  await until("it is open again", () => at.live.state.state === "open")
  expect(at.gaps).toHaveLength(1)
})

test("a sign of life makes the next loss a first one again", async () => {
  await using at = await watched({ onReadings: () => {} })
  at.node.live = (socket) => socket.send(readings(1))
  for (let turn = 1; turn <= 3; turn++) {
    await until("a reading", () => at.live.stats().received === turn)
    lastSocket(at.node).terminate()
  }
  await until("it is back", () => at.live.stats().received === 4)
  const attempts = at.states.flatMap((state) => (state.state === "connecting" ? [state.attempt] : []))
  expect(attempts).toEqual([1, 2, 2, 2])
})

test("what the node left out for a slow reader is told with its count", async () => {
  await using at = await watched({ onReadings: () => {} })
  at.node.live = (socket) => {
    socket.send(readings(1))
    socket.send(JSON.stringify({ type: "dropped", count: 7 }))
    socket.send(JSON.stringify({ type: "of the future" }))
  }
  await until("the gap", () => at.gaps.length === 1)
  expect(at.gaps[0]).toMatchObject({ reason: "slow", count: 7, after: { seq: 1 } })
})

test("a reader that does not read keeps the newest readings within the limit, and is told what it lost", async () => {
  await using at = await watched({ maxQueued: 3 })
  at.node.live = (socket) => {
    for (let seq = 1; seq <= 8; seq++) socket.send(readings(seq))
  }
  await until("all have come", () => at.live.stats().received === 8)
  expect(at.live.stats()).toMatchObject({ dropped: 5, queued: 3 })
  expect(at.gaps.reduce((sum, { count }) => sum + (count ?? 0), 0)).toBe(5)
  const seen: number[] = []
  for await (const { seq } of at.live) if (seen.push(seq) === 3) break
  expect(seen).toEqual([6, 7, 8])
})

test("a link without any sign of life is given up and replaced", async () => {
  await using at = await watched({ silenceMs: 40 })
  await until("it was replaced", () => at.live.stats().connections >= 2)
  expect(at.states.find((state) => state.state === "closed")).toMatchObject({
    reason: { message: expect.stringContaining("no sign of life for 40 ms") },
  })
})

test.each([
  ["pings", (socket: WebSocket) => socket.ping()],
  ["heartbeats", (socket: WebSocket) => socket.send('{"type":"heartbeat"}')],
] as const)("%s keep a quiet link", async (_what, beat) => {
  await using at = await watched({ silenceMs: 500 })
  at.node.live = (socket) => {
    const timer = setInterval(() => beat(socket), 20)
    socket.on("close", () => clearInterval(timer))
  }
  await until("it is open", () => at.live.state.state === "open")
  await new Promise((resolve) => setTimeout(resolve, 900))
  expect(at.live.stats().connections).toBe(1)
})

test("a token that is refused ends the stream with the node's own reason", async () => {
  await using at = await watched()
  at.node.live = undefined
  at.node.answer = (_request, response) =>
    problem(response, 401, { code: "unauthenticated", detail: "The token is unknown, expired or revoked" })
  await expect(
    (async () => {
      for await (const _reading of at.live);
    })(),
  ).rejects.toMatchObject({ code: "unauthenticated", message: "The token is unknown, expired or revoked" })
  expect(at.live.state).toMatchObject({ state: "closed", retryInMs: undefined, reason: { code: "unauthenticated" } })
})

test("where a proxy lets HTTP through but no WebSocket, it keeps trying", async () => {
  await using at = await watched()
  at.node.live = undefined
  at.node.answer = (_request, response) => json(response, {})
  await until("several attempts", () => at.states.some((state) => state.state === "connecting" && state.attempt > 2))
  expect(at.live.state).not.toMatchObject({ retryInMs: undefined })
})

test("a written number of attempts ends it", async () => {
  await using at = await watched({ retry: { ...retry, maxAttempts: 3 } })
  await at.node.vanish()
  await expect(
    (async () => {
      for await (const _reading of at.live);
    })(),
  ).rejects.toMatchObject({ code: "node_unreachable" })
  expect(at.states.filter(({ state }) => state === "connecting")).toHaveLength(3)
  await at.node.open()
})

test("a signal ends the iteration without an error, also one that was aborted before", async () => {
  const controller = new AbortController()
  await using at = await watched({ signal: controller.signal })
  await until("it is open", () => at.live.state.state === "open")
  setTimeout(() => controller.abort(), 5)
  for await (const _reading of at.live);
  await using late = await watched({ signal: controller.signal })
  for await (const _reading of late.live);
  expect(late.node.sockets).toHaveLength(0)
})

test("a filter that cannot be one is refused at once", () => {
  const client = createClient({ url: "http://127.0.0.1:1" })
  expect(() => client.live({ devices: ["a#"] })).toThrow('device filter "a#" has # elsewhere')
  expect(() => client.live({ properties: [""] })).toThrow("property filter")
})

test("a message that is no JSON breaks the connection instead of being guessed at", async () => {
  await using at = await watched()
  at.node.live = (socket) => socket.send("{")
  await until("it was replaced", () => at.live.stats().connections >= 2)
})
