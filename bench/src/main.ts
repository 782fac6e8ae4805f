/** `npm run bench -- NAME [--rounds N] [--data DIR] [--scale F]`: runs one benchmark and writes bench/results/NAME.json. */
import { parseArgs } from "node:util"
import { call } from "./call.ts"
import { connections } from "./connections.ts"
import { fanout } from "./fanout.ts"
import { idle } from "./idle.ts"
import { ingest } from "./ingest.ts"
import { line } from "./line.ts"
import { query } from "./query.ts"
import { react } from "./react.ts"
import { rules } from "./rules.ts"
import { window } from "./window.ts"

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    data: { type: "string" },
    scale: { type: "string", default: "1" },
  },
})
const options = { rounds: Number(values.rounds), data: values.data, scale: Number(values.scale) }
const benchmarks: Readonly<Record<string, (given: typeof options) => Promise<void>>> = {
  line,
  query,
  idle,
  ingest,
  fanout,
  connections,
  call,
  rules,
  react,
  window,
}
const chosen = benchmarks[positionals[0] ?? ""]
if (chosen === undefined) {
  console.error(`Usage: npm run bench -- ${Object.keys(benchmarks).join(" | ")} [--rounds N] [--data DIR] [--scale F]`)
  process.exit(2)
}
await chosen(options)
