/** `npm run build`: everything that `npx brume` needs. */
import { build, install, requireNode } from "./setup.mjs"

requireNode()
await install()
await build()
