/** A function's folder: its `brume.yaml`, and its code as it is deployed. */
import { readdir, readFile, stat } from "node:fs/promises"
import { join, relative, resolve, sep } from "node:path"
import { FogError, functionRuntimes } from "@brume/core"
import { parseDocument } from "yaml"
import { usageError } from "../failure.ts"
import { bundle } from "./bundle.ts"

export interface FunctionFolder {
  readonly name: string
  /** What brume.yaml says. The node checks it. */
  readonly document: object
  /** Path → text. */
  readonly files: Readonly<Record<string, string>>
}

export const manifestName = "brume.yaml"
const mostFiles = 500
const mostBytes = 8 * 1_048_576
/** What is no part of a Python function. */
const left = /^(__pycache__|node_modules|venv)$|^\.|\.pyc$/

/** Throws `usage` for what cannot be read, and `function_unloadable` for what cannot be bundled. */
export async function readFunctionFolder(given: string, workingFolder: string): Promise<FunctionFolder> {
  const folder = resolve(workingFolder, given)
  const { name, runtime, entry, document } = await readManifest(folder)
  if (!(await isFile(join(folder, entry)))) {
    throw usageError(`${join(given, entry)} does not exist`, `It is spec.entry in ${join(given, manifestName)}.`)
  }
  const files = runtime === "python" ? await pythonFiles(folder) : await bundle(folder, entry)
  return { name, document, files }
}

interface Manifest {
  readonly name: string
  readonly runtime: string
  readonly entry: string
  readonly document: object
}

/** What is needed here is checked here; the rest by the node, all mistakes at once. */
async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName)
  let text: string
  try {
    text = await readFile(path, "utf8")
  } catch (cause) {
    throw new FogError("usage", {
      message: `Cannot read ${path}: ${(cause as Error).message}`,
      hint: "A function is a folder with a brume.yaml and its source: docs/guide/functions.md",
      cause,
    })
  }
  const parsed = parseDocument(text, { prettyErrors: true })
  if (parsed.errors.length > 0)
    throw usageError(`${path} is not YAML: ${parsed.errors[0]!.message}`, "Mend it; indentation matters.")
  const document: unknown = parsed.toJS()
  const read = (...keys: readonly string[]): unknown =>
    keys.reduce<unknown>((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], document)
  const [name, runtime, entry] = [read("metadata", "name"), read("spec", "runtime"), read("spec", "entry")]
  const missing = Object.entries({ "metadata.name": name, "spec.runtime": runtime, "spec.entry": entry })
    .filter(([, value]) => typeof value !== "string" || value === "")
    .map(([path]) => path)
  if (missing.length > 0)
    throw usageError(
      `${path} does not say ${missing.join(", ")}`,
      "docs/guide/functions.md shows what a brume.yaml looks like.",
    )
  if (!functionRuntimes.some((one) => one === runtime))
    throw usageError(
      `${path} has the runtime ${JSON.stringify(runtime)}, which there is not`,
      `spec.runtime is one of ${functionRuntimes.join(", ")}.`,
    )
  return { name: String(name), runtime: String(runtime), entry: String(entry), document: document as object }
}

/** All files that are texts, by their path. */
async function pythonFiles(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  let bytes = 0
  const walk = async (at: string): Promise<void> => {
    for (const item of (await readdir(at, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (left.test(item.name) || (at === folder && item.name === manifestName)) continue
      const path = join(at, item.name)
      if (item.isDirectory()) await walk(path)
      if (!item.isFile()) continue
      const content = await readFile(path)
      bytes += content.length
      const name = relative(folder, path).split(sep).join("/")
      if (Object.keys(files).length >= mostFiles || bytes > mostBytes)
        throw usageError(
          `${folder} has more than ${mostFiles} files or 8 MiB`,
          "A function's folder holds its source alone; keep data elsewhere.",
        )
      files[name] = textOf(content, path)
    }
  }
  await walk(folder)
  return files
}

function textOf(content: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    throw usageError(`${path} is not a text in UTF-8`, "A function's files are texts; keep others elsewhere.")
  }
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}
