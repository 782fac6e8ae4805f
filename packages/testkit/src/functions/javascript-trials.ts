/** The trials of {@link RuntimeTrials} in JavaScript. */
import type { RuntimeTrials } from "./trials.ts"

const trials = String.raw`
const fs = require("node:fs")
const net = require("node:net")
const { spawn } = require("node:child_process")
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const frame = (text) => {
  const b = Buffer.from("\0\0\0\0" + text)
  b.writeUInt32BE(b.length - 4)
  for (let at = 0; at < b.length; ) try { at += fs.writeSync(3, b, at) } catch (error) { if (error.code !== "EAGAIN") return }
}
const actions = {
  echo: ({ value }) => value,
  pid: () => process.pid,
  facts: (_, ctx) => ({ name: ctx.name, version: ctx.version, key: ctx.key, trigger: ctx.trigger, left: ctx.deadline - Date.now() }),
  asks: async (_, ctx) => [
    await ctx.publish("a/b", { x: 1 }, { qos: 1 }), await ctx.publish("a/c", new Uint8Array([1, 2])),
    await ctx.query("SELECT ?", 7), await ctx.command("lamp", "on", { level: 3 }, { key: "k" }),
    await ctx.invoke("other", [1]), await ctx.state.set("k", { n: 1 }), await ctx.state.get("k"),
    await ctx.state.compareAndSet("k", null, 2), await ctx.state.delete("k"), await ctx.secrets.get("mail"),
  ].map((value) => value ?? null),
  refused: async (_, ctx) => { try { await ctx.secrets.get("theirs") } catch (error) { return [error.code, error.message, error.hint] } },
  largeAsk: async (_, ctx) => { try { await ctx.publish("a", "x".repeat(3_000_000)) } catch (error) { return [error.code, error.message, error.hint] } },
  manyAsks: async ({ count }, ctx) => (await Promise.all(Array.from({ length: count }, (_, i) => ctx.state.get(String(i))))).length,
  throw: () => { throw new TypeError("thrown on purpose") },
  reject: () => Promise.reject(new RangeError("rejected on purpose")),
  throwNothing: () => { throw undefined },
  throwStrange: () => { throw new Proxy({}, { get() { throw new Error("no") } }) },
  nothing: () => undefined,
  cycle: () => { const a = {}; a.a = a; return a },
  noJson: () => 10n ** 30n,
  deep: ({ levels }) => { let value = 1; for (let i = 0; i < levels; i++) value = [value]; return value },
  large: ({ bytes }) => "x".repeat(bytes),
  loop: () => { for (;;); },
  sleep: async ({ ms }) => { await sleep(ms); return "slept" },
  compute: ({ ms }) => { for (const end = Date.now() + ms; Date.now() < end; ); return "computed" },
  heapBomb: () => { const all = []; for (;;) all.push({ at: all.length, text: "x" + all.length }) },
  bufferBomb: () => { const all = []; for (;;) all.push(Buffer.alloc(4 << 20, 1)) },
  textBomb: () => { let text = "x"; for (;;) text += text + Math.random() },
  floodOutput: async () => { const line = "x".repeat(65535) + "\n"; for (let i = 0; i < 16384; i++) await new Promise((done) => process.stdout.write(line, done)) },
  floodLog: (_, ctx) => { const text = "x".repeat(16000); for (;;) ctx.log(text) },
  lines: ({ count }) => { for (let i = 0; i < count; i++) console.log("line " + i); return count },
  say: (_, ctx) => { ctx.log.warn("said", { n: 1 }); ctx.log("x".repeat(20000)); console.error("printed"); process.stdout.write("no end") },
  sayAndLoop: (_, ctx) => { ctx.log("before the loop"); for (;;); },
  garbage: async () => { fs.writeSync(3, "this is no frame at all, but text"); await sleep(5000) },
  oversized: async () => { fs.writeSync(3, Buffer.from([0x7f, 255, 255, 255, 0])); await sleep(5000) },
  noMessage: async () => { frame('{"a":1}'); await sleep(5000) },
  halfMessage: async () => { frame('["result",'); await sleep(5000) },
  strangeAnswer: async () => { frame('["result",123456,1]'); await sleep(5000) },
  strangeKind: async () => { frame('["launch",1]'); await sleep(5000) },
  hugeFrame: async () => { frame('["result",1,"' + "x".repeat(1900000) + '"]'); await sleep(5000) },
  askFlood: async () => { for (let i = 0; i < 3000; i++) frame('["ask",' + (1e6 + i) + ',1,"query",[]]'); await sleep(5000) },
  closeChannel: async () => { fs.closeSync(3); await sleep(5000) },
  kill: () => { process.kill(process.pid, "SIGKILL"); for (;;); },
  exit: () => process.exit(3),
  later: async () => { setTimeout(() => { throw new Error("thrown later") }, 0); await sleep(5000) },
  forkBomb: async ({ marker }) => {
    let made = 0
    for (let i = 0; i < 500; i++) {
      const child = spawn("/bin/sleep", [marker], { stdio: "ignore", detached: true })
      child.on("error", () => {})
      if (child.pid !== undefined) made++
    }
    return made
  },
  read: ({ path }) => fs.readFileSync(path, "latin1"),
  list: ({ path }) => fs.readdirSync(path),
  write: ({ path }) => fs.writeFileSync(path, "x"),
  fill: ({ bytes }) => { for (let i = 0; i < 20; i++) fs.writeFileSync("/tmp/" + i, Buffer.alloc(bytes / 20)); return "filled" },
  environment: () => process.env,
  connect: ({ port }) => new Promise((resolve, reject) => net.connect(port, "127.0.0.1").on("connect", () => resolve("connected")).on("error", reject)),
  signalMain: () => process.kill(1, "SIGKILL"),
}
exports.default = (event, ctx) => actions[event.do](event, ctx)
exports.fetch = async (request, ctx) => {
  const url = new URL(request.url)
  if (url.pathname === "/none") return undefined
  if (url.pathname === "/bytes") return new Response(new Uint8Array([0, 255, 128]), { headers: { "content-type": "application/octet-stream" } })
  return Response.json(
    { method: request.method, path: url.pathname, query: url.searchParams.get("q"), header: request.headers.get("x-one"), body: await request.text(), trigger: ctx.trigger },
    { status: 201, headers: { "x-two": "2" } })
}
`

export const javascriptTrials: RuntimeTrials = {
  runtime: "javascript",
  trials: { runtime: "javascript", entry: "trials.cjs", files: { "trials.cjs": trials } },
  syntaxError: code("exports.default = () => {\n  return ]\n}\n"),
  throwsAtLoad: code('throw new Error("not today")\n'),
  noHandler: code("exports.answer = 42\n"),
  exitsAtLoad: code("process.exit(5)\n"),
  slowStart: code(
    "const end = Date.now() + 400; while (Date.now() < end); exports.default = async (event) => event.value\n",
  ),
  hangsAtLoad: code("for (;;);\n"),
  thrownAt: /trials\.cjs:\d+/,
  syntaxErrorSays: /SyntaxError/,
  isInterleaved: true,
}

function code(text: string): RuntimeTrials["trials"] {
  return { runtime: "javascript", entry: "main.cjs", files: { "main.cjs": text } }
}
