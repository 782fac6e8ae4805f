/** `npm test`: sets everything up, checks the sources and runs every test. Arguments go to Vitest. */
import { join } from "node:path"
import { build, install, requireNode, root, run } from "./setup.mjs"

requireNode()
await install()
await build()

const filters = process.argv.slice(2)
const checks = filters.length > 0 ? 0 : await run(process.execPath, [join(root, "tools/check.mjs")])
const tests = await run(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", ...filters])
if (checks !== 0) console.error("`npm run check` failed: see above.")
process.exitCode = checks === 0 ? tests : checks
