import { createRequire } from "node:module"

const manifest = createRequire(import.meta.url)("../package.json") as { readonly version: string }

/** Version of this package, e.g. `0.1.0`. */
export const version: string = manifest.version
