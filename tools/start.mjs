/** `npm start`: sets everything up and runs the demo; `npm start -- --bare` a plain node; other arguments go through. */
import { build, install, requireNode, root, run } from "./setup.mjs"

requireNode()
await install()
await build()

const args = process.argv.slice(2)
const isBare = args.includes("--bare")
const command = isBare ? "up" : "demo"
// Ctrl-C reaches the child too, as a member of the terminal's process group; this process only waits for its end.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {})
process.exitCode = await run(process.execPath, [
  `${root}/packages/cli/bin/brume.cjs`,
  command,
  ...args.filter((argument) => argument !== "--bare"),
])
