/**
 * Values from the environment. Not every variable that begins with BRUME_ is ours (Kubernetes sets BRUME_PORT for a
 * service named brume; the command line tool has its own), so only two forms are held to name a key: those with a double
 * underscore, and those that differ from a key's variable by underscores alone.
 */
import { nearest } from "@brume/core"
import type { Given } from "./given.ts"
import { allKeys, envName } from "./schema.ts"

export type Environment = Readonly<Record<string, string | undefined>>

export function givenByEnvironment(environment: Environment, folder: string): Given[] {
  const paths = new Map([...allKeys().keys()].map((path) => [envName(path), path]))
  const spoken = new Map([...paths.keys()].map((name) => [name.replaceAll("_", ""), name]))
  const given: Given[] = []
  for (const [name, written] of Object.entries(environment)) {
    // Empty means not set, as files for containers often leave it.
    if (!name.startsWith("BRUME_") || written === undefined || written === "") continue
    const path = paths.get(name)
    if (path !== undefined) given.push({ path, origin: name, written, folder })
    else if (name.includes("__") || spoken.has(name.replaceAll("_", ""))) {
      const guess = spoken.get(name.replaceAll("_", "")) ?? nearest(name, paths.keys())
      given.push({ path: name, origin: "environment", written, folder, guess })
    }
  }
  return given
}
