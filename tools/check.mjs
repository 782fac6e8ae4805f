/** `npm run check`: types, format, lint, dead code, the console's own checks. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { install, root, run } from "./setup.mjs"

await install()

/** The program behind an installed command, run by this very Node.js: no shell, no global install. */
const program = (path, folder = root) => {
  const own = join(folder, "node_modules", path)
  return existsSync(own) ? own : join(root, "node_modules", path)
}
const gates = [
  ["types", [program("typescript/bin/tsc"), "-p", "tsconfig.test.json"]],
  ["format and lint", [program("@biomejs/biome/bin/biome"), "check", "--error-on-warnings", "."]],
  ["dead code", [program("knip/bin/knip.js"), "--no-progress"]],
  [
    "console",
    [
      program("svelte-check/bin/svelte-check", join(root, "packages/console")),
      "--tsconfig",
      "packages/console/tsconfig.json",
    ],
  ],
]

let failed = 0
for (const [name, command] of gates) {
  const started = performance.now()
  const code = existsSync(command[0]) ? await run(process.execPath, command) : 1
  console.log(`check ${name}: ${code === 0 ? "ok" : "FAILED"} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  if (code !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
