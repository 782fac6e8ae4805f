/** `brume version`. */
import { createRequire } from "node:module"
import { arch, platform, release } from "node:os"
import type { Terminal } from "../terminal.ts"

export function ownVersion(): string {
  return (createRequire(import.meta.url)("../../package.json") as { version: string }).version
}

export async function showVersion(
  _none: readonly [],
  flags: { readonly json?: boolean },
  { out }: Terminal,
): Promise<void> {
  const versions = { brume: ownVersion(), node: process.versions.node, system: `${platform()} ${release()} ${arch()}` }
  if (flags.json === true) await out.write(`${JSON.stringify(versions)}\n`)
  else await out.write(`brume ${versions.brume} (Node.js ${versions.node}, ${versions.system})\n`)
}
