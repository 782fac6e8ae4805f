/**
 * Eight statements that never end, and a file that is written and synced beside them, in a process of its own: libuv
 * reads the size of its pool when the process starts. Prints how many syncs ended while four statements ran.
 * Arguments: how many syncs to wait for.
 */
import { mkdtemp, open, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { runnerImport } from "vite"

const wanted = Number(process.argv[2])
const conditions = ["brume-source"]
const rigPath = fileURLToPath(new URL("query.ts", import.meta.url))
const { module } = await runnerImport(rigPath, {
  configFile: false,
  logLevel: "error",
  resolve: { conditions },
  ssr: { resolve: { conditions: [...conditions, "node", "import", "default"] } },
})
const rig = await module.openQueryRig()
const sql =
  "SELECT count(*) FROM readings a, readings b, readings c, readings d WHERE a.seq + b.seq + c.seq + d.seq = -1"
const ended = Array.from({ length: 8 }, () => module.failure(rig.text(sql)))
const states = () => rig.query.running().map(({ state }) => state)
while (states().filter((state) => state === "running").length < 4) await new Promise((next) => setTimeout(next, 5))

const folder = await mkdtemp(join(tmpdir(), "brume-syncs-"))
const file = await open(join(folder, "log"), "w")
const block = Buffer.alloc(4_096)
let syncs = 0
for (; syncs < wanted; syncs++) {
  await file.write(block)
  await file.datasync()
}
const seen = states()
await file.close()
await rm(folder, { recursive: true })
for (const { id } of rig.query.running()) rig.query.cancel(id)
const codes = (await Promise.all(ended)).map(({ code }) => code)
await rig[Symbol.asyncDispose]()
process.stdout.write(`${JSON.stringify({ syncs, states: seen, codes })}\n`)
