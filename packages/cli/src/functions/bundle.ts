/** JavaScript and TypeScript as one CommonJS file, with everything that it imports, and a map to where it was written. */
import { isAbsolute, resolve } from "node:path"
import { FogError } from "@brume/core"
import type { Message } from "esbuild"

const bundleName = "bundle.cjs"

/** Throws `function_unloadable`, with the place of each mistake. */
export async function bundle(folder: string, entry: string): Promise<Record<string, string>> {
  // Loaded only when something is bundled.
  const { build } = await import("esbuild")
  try {
    const { outputFiles } = await build({
      absWorkingDir: folder,
      entryPoints: [isAbsolute(entry) ? entry : resolve(folder, entry)],
      outfile: resolve(folder, bundleName),
      bundle: true,
      format: "cjs",
      platform: "node",
      target: "node20",
      sourcemap: "external",
      sourcesContent: false,
      charset: "utf8",
      write: false,
      logLevel: "silent",
    })
    const textOf = (end: string): string => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? ""
    return { [bundleName]: textOf(bundleName), [`${bundleName}.map`]: textOf(`${bundleName}.map`) }
  } catch (cause) {
    const { errors = [] } = cause as { readonly errors?: readonly Message[] }
    const lines = errors.map(lineOf)
    throw new FogError("function_unloadable", {
      message: `The code cannot be bundled: ${lines.length === 0 ? (cause as Error).message : lines.join("; ")}`,
      hint: "Mend it; packages that it imports are installed with npm in its folder.",
      cause,
    })
  }
}

function lineOf({ text, location }: Message): string {
  return location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`
}
