/** `npm run bench -- NAME`: builds everything, then runs one benchmark against the built node. */
import { join } from "node:path"
import { build, install, root, run } from "./setup.mjs"

await install()
await build()
const compiled = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "bench"])
process.exitCode =
  compiled !== 0 ? compiled : await run(process.execPath, ["bench/dist/main.js", ...process.argv.slice(2)])
