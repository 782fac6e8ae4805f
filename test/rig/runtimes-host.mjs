/** A process that has functions at work and does nothing else, to be killed: `node runtimes-host.mjs auto|none`. */
import { systemClock } from "../../packages/node/dist/ambient/system-clock.js"
import { createRuntimes } from "../../packages/node/dist/functions/runtimes/runtimes.js"

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
const unseen = { counter: () => ({ add() {} }), gauge() {}, histogram: () => ({ observe() {} }) }
const runtimes = createRuntimes({
  clock: systemClock(),
  logger: silent,
  metrics: unseen,
  hidden: [],
  sandbox: process.argv[2],
})
const codes = {
  javascript: {
    "main.cjs": `
      const { spawn } = require("node:child_process")
      exports.default = (event) => {
        if (event === "start") return null
        if (event === "spawn") spawn("/bin/sleep", ["600"], { stdio: "ignore" })
        for (;;);
      }`,
  },
  python: {
    "main.py": `
def handler(event, ctx):
    while event != "start":
        pass
`,
  },
}
for (const [runtime, files] of Object.entries(codes)) {
  const pool = runtimes.openPool({
    name: runtime,
    version: 1,
    network: false,
    code: { runtime, entry: Object.keys(files)[0], files },
    limits: { timeMs: 60_000, memoryMiB: 128, outputBytes: 100_000, concurrency: 4, instances: 2 },
    ask: async () => null,
    onLine() {},
  })
  const call = (event) => pool.call({ kind: "event", event, context: { trigger: "direct", depth: 0 } })
  await call("start")
  // One is busy for ever and hears nothing; others are idle or blank.
  call(process.argv[2] === "auto" ? "spawn" : "loop").catch(() => {})
}
setTimeout(() => process.stdout.write("up\n"), 1_000)
setInterval(() => {}, 1_000)
