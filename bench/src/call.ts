/**
 * Calls of functions: how long one takes when nothing else happens, how many a second pass with 16 outstanding, how long
 * a first call takes with and without a blank process ready, and what a function that misbehaves does to its neighbour.
 * Beside a bare echo over the same socket, and a remote call between two Moleculer nodes.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createServer, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { type Contender, type Figures, medianOf, quantile, ratio, report, runRounds } from "./rounds.ts"
import { type BenchPool, type BenchRuntimes, openRuntimes } from "./runtimes.ts"

type Call = () => Promise<unknown>
type Language = "javascript" | "python"

const outstanding = 16
const event = { device: "freezer-3", property: "temperature", value: -17.5, time: 1_700_000_000_000_000 }
const peer = fileURLToPath(new URL("./call-peers.js", import.meta.url))
const codes = {
  javascript: { entry: "echo.cjs", files: { "echo.cjs": "exports.default = async (event) => event\n" } },
  python: { entry: "echo.py", files: { "echo.py": "def handler(event, ctx):\n    return event\n" } },
}
/** The neighbour: one call after another, and what it does wrong. */
const misdeeds: Readonly<Record<string, string>> = {
  loop: "exports.default = () => { for (;;); }\n",
  memory: "exports.default = () => { const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1)) }\n",
  flood:
    'exports.default = async () => { for (;;) await new Promise((done) => process.stdout.write("x".repeat(60000) + "\\n", done)) }\n',
}

export async function call(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const calls = Math.max(2_000, Math.round(200_000 * options.scale))
  const hasMoleculer = await import("moleculer").then(
    () => true,
    () => false,
  )
  const contenders: Contender[] = [
    { name: "echo", measure: () => measureEcho(calls) },
    { name: "typescript", measure: () => measureLanguage("javascript", calls) },
    { name: "python", measure: () => measureLanguage("python", calls) },
    ...(hasMoleculer ? [{ name: "moleculer", measure: () => measureMoleculer(calls / 4) }] : []),
    { name: "neighbour", measure: () => measureNeighbour(Math.max(1, 6 * options.scale)) },
  ]
  const summary = await runRounds(contenders, options.rounds)
  const of = (name: string, figure: string): number | undefined => medianOf(summary, name, figure)
  const goal = (name: string, figure: string, wanted: { atLeast: number } | { atMost: number }) => ({
    text: `${name}: ${figure}`,
    measured: of(name, figure),
    wanted,
  })
  await report("call", summary, {
    limits: { "bare echo, p50 µs": of("echo", "p50 µs") ?? Number.NaN },
    goals: [
      goal("typescript", "p50 µs", { atMost: 60 }),
      goal("typescript", "calls per second", { atLeast: 60_000 }),
      goal("typescript", "cold start ms", { atMost: 70 }),
      goal("typescript", "prewarmed start ms", { atMost: 5 }),
      goal("python", "p50 µs", { atMost: 80 }),
      goal("python", "calls per second", { atLeast: 30_000 }),
      goal("python", "cold start ms", { atMost: 90 }),
      goal("python", "prewarmed start ms", { atMost: 5 }),
      ...Object.keys(misdeeds).map((name) => goal("neighbour", `p99 beside ${name}, ratio`, { atMost: 1.2 })),
      ...(hasMoleculer
        ? [
            {
              text: "TypeScript against Moleculer, calls per second",
              measured: ratio(summary, "calls per second", "typescript", "moleculer"),
              wanted: { atLeast: 1 },
            },
          ]
        : []),
    ],
    notes: [
      `${outstanding} calls outstanding; the event and the result are ${JSON.stringify(event).length} bytes of JSON`,
      `functions run in: ${await sandboxHere()}`,
      "a start is measured from opening the function to the answer of its first call",
      ...(hasMoleculer
        ? ["Moleculer: two nodes, its own TCP transport, JSON"]
        : ["moleculer is not installed: npm ci"]),
    ],
  })
}

async function measureLanguage(language: Language, calls: number): Promise<Figures> {
  const runtimes = await openRuntimes({ blanks: 1 })
  const pool = open(runtimes, language)
  const warm = await measureCalls(() => invoke(pool), calls)
  const prewarmed: number[] = []
  for (let start = 0; start < 9; start++) {
    // Until the blank is up, with room to spare.
    await pause(350)
    prewarmed.push(await measureStart(runtimes, language))
  }
  await runtimes.close()
  const bare = await openRuntimes({ blanks: 0 })
  await bare.inspect()
  const cold: number[] = []
  for (let start = 0; start < 9; start++) cold.push(await measureStart(bare, language))
  await bare.close()
  return { ...warm, "cold start ms": quantile(cold, 0.5), "prewarmed start ms": quantile(prewarmed, 0.5) }
}

async function measureStart(runtimes: BenchRuntimes, language: Language): Promise<number> {
  const began = performance.now()
  const pool = open(runtimes, language)
  await invoke(pool)
  const took = performance.now() - began
  await pool.close()
  return took
}

function open(runtimes: BenchRuntimes, runtime: Language, more: { code?: string; timeMs?: number } = {}): BenchPool {
  const code = more.code === undefined ? codes[runtime] : { entry: "echo.cjs", files: { "echo.cjs": more.code } }
  return runtimes.openPool({
    name: "echo",
    version: 1,
    network: false,
    code: { runtime, ...code },
    limits: {
      timeMs: more.timeMs ?? 10_000,
      memoryMiB: 128,
      outputBytes: 1_048_576,
      concurrency: outstanding,
      instances: 1,
    },
    ask: async () => null,
    onLine: () => {},
  })
}

function invoke(pool: BenchPool): Promise<unknown> {
  return pool.call({ kind: "event", event, context: { trigger: "direct", depth: 0 } })
}

async function measureCalls(one: Call, calls: number): Promise<Figures> {
  for (let warm = 0; warm < 3_000; warm++) await one()
  const times: number[] = []
  for (let sent = 0; sent < calls / 10; sent++) {
    const began = performance.now()
    await one()
    times.push((performance.now() - began) * 1_000)
  }
  const began = performance.now()
  let left = calls
  const worker = async (): Promise<void> => {
    while (left-- > 0) await one()
  }
  await Promise.all(Array.from({ length: outstanding }, worker))
  const seconds = (performance.now() - began) / 1_000
  return { "p50 µs": quantile(times, 0.5), "p99 µs": quantile(times, 0.99), "calls per second": calls / seconds }
}

async function measureEcho(calls: number): Promise<Figures> {
  const child = spawn(process.execPath, [peer, "echo"], { stdio: ["ignore", "inherit", "inherit", "pipe"] })
  const socket = child.stdio[3] as Socket
  const waiting: (() => void)[] = []
  const body = Buffer.from(JSON.stringify(event))
  const frame = Buffer.concat([Buffer.alloc(4), body])
  frame.writeUInt32BE(body.length)
  let held = 0
  socket.on("data", (chunk: Buffer) => {
    held += chunk.length
    for (; held >= frame.length; held -= frame.length) waiting.shift()?.()
  })
  let outgoing: Buffer[] = []
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push(resolve)
      if (outgoing.push(frame) > 1) return
      setImmediate(() => {
        socket.write(outgoing.length === 1 ? frame : Buffer.concat(outgoing))
        outgoing = []
      })
    })
  const figures = await measureCalls(one, calls)
  await ended(child)
  return figures
}

async function measureMoleculer(calls: number): Promise<Figures> {
  const { ServiceBroker } = await import("moleculer")
  const [own, other] = [await freePort(), await freePort()]
  const child = spawn(process.execPath, [peer, "moleculer", String(other), String(own)], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  await new Promise((resolve) => child.stdout!.once("data", resolve))
  const broker = new ServiceBroker({
    nodeID: "caller",
    logger: false,
    // A message that is lost ends the run, instead of being waited for.
    requestTimeout: 10_000,
    transporter: {
      type: "TCP",
      options: { udpDiscovery: false, port: own, urls: [`127.0.0.1:${own}/caller`, `127.0.0.1:${other}/callee`] },
    },
  })
  await broker.start()
  await broker.waitForServices("echo", 20_000)
  const figures = await measureCalls(() => broker.call("echo.call", event), calls)
  await broker.stop()
  await ended(child)
  return figures
}

/** p99 of a well-behaved function that is called every millisecond, beside one that does what it should not. */
async function measureNeighbour(seconds: number): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const [name, code] of Object.entries(misdeeds)) {
    const runtimes = await openRuntimes({ blanks: 1 })
    const good = open(runtimes, "javascript")
    for (let warm = 0; warm < 3_000; warm++) await invoke(good)
    const alone = await pacedP99(good, seconds)
    const bad = open(runtimes, "javascript", { code, timeMs: 400 })
    let isOver = false
    // From its first call on, until it is parked and beyond.
    const misbehaving = (async () => {
      while (!isOver) {
        await invoke(bad).catch(() => {})
        await pause(1)
      }
    })()
    const beside = await pacedP99(good, seconds)
    isOver = true
    await misbehaving
    await runtimes.close()
    figures[`p99 before ${name}, µs`] = alone
    figures[`p99 beside ${name}, µs`] = beside
    figures[`p99 beside ${name}, ratio`] = beside / alone
  }
  return figures
}

async function pacedP99(pool: BenchPool, seconds: number): Promise<number> {
  const times: number[] = []
  for (const end = performance.now() + seconds * 1_000; performance.now() < end; ) {
    const began = performance.now()
    await invoke(pool)
    times.push((performance.now() - began) * 1_000)
    await pause(1)
  }
  return quantile(times, 0.99)
}

async function sandboxHere(): Promise<string> {
  const runtimes = await openRuntimes({ blanks: 0 })
  const { sandbox } = await runtimes.inspect()
  await runtimes.close()
  return sandbox
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGKILL")
  await gone
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
