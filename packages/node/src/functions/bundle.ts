/** The code of a version: files as texts, checked, and kept in one file that is named by its content. */
import { createHash } from "node:crypto"
import { type Disk, type DocumentMistake, FogError, type FunctionSpec } from "@brume/core"
import { bundleEntry } from "./runtimes/runtime.ts"
import { filePathPattern } from "./spec.ts"

/** Path → text. */
export type Files = Readonly<Record<string, string>>

export type BundleDisk = Pick<Disk, "read" | "replace" | "makeFolder" | "list" | "remove">

const folder = "functions"
const mostFiles = 500
/** Of one version, its source map included. */
export const mostBundleBytes = 8 * 1_048_576

export interface CheckedBundle {
  readonly files: Files
  /** SHA-256 in hex. */
  readonly name: string
  readonly bytes: number
}

/** What is wrong with the files of a deployment, or the bundle that they are. */
export function checkBundle(given: unknown, { runtime, entry }: FunctionSpec): CheckedBundle | DocumentMistake[] {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return [{ path: "files", problem: "must be an object of paths and texts" }]
  const entries = Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1))
  const mistakes: DocumentMistake[] = []
  const add = (path: string, problem: string): void => void mistakes.push({ path, problem })
  if (entries.length > mostFiles) add("files", `are ${entries.length}; at most ${mostFiles} are taken`)
  for (const [path, text] of entries.slice(0, mostFiles)) {
    const shown = `files[${JSON.stringify(path.slice(0, 80))}]`
    if (!filePathPattern.test(path)) add(shown, "is no path of a file below the function's folder")
    if (typeof text !== "string") add(shown, "must be a text")
  }
  // JavaScript comes bundled; what Python imports comes as it is.
  const wanted = runtime === "python" ? entry : bundleEntry
  if (!entries.some(([path]) => path === wanted || (runtime !== "python" && path === entry)))
    add("files", `lack ${wanted}`)
  const content = JSON.stringify(Object.fromEntries(entries))
  const bytes = Buffer.byteLength(content)
  if (bytes > mostBundleBytes) add("files", `have ${bytes} bytes; at most ${mostBundleBytes} are taken`)
  return mistakes.length > 0 ? mistakes : { files: given as Files, name: hashOf(content), bytes }
}

export class Bundles {
  readonly #disk: BundleDisk
  /** Names that somebody is about to use. */
  readonly #held = new Map<string, number>()

  constructor(disk: BundleDisk) {
    this.#disk = disk
  }

  /** On disk when it resolves, and not cleaned until the function that it returns was called. */
  async keep({ files, name }: CheckedBundle): Promise<() => void> {
    this.#held.set(name, (this.#held.get(name) ?? 0) + 1)
    const release = (): void => {
      const left = (this.#held.get(name) ?? 1) - 1
      if (left > 0) this.#held.set(name, left)
      else this.#held.delete(name)
    }
    try {
      await this.#disk.makeFolder(folder)
      await this.#disk.replace(pathOf(name), Buffer.from(contentOf(files)))
      return release
    } catch (error) {
      release()
      throw error
    }
  }

  /** Throws `store_damaged` where it is missing or not what it was. */
  async read(name: string): Promise<Files> {
    const bytes = await this.#disk.read(pathOf(name))
    if (bytes !== undefined && hashOf(bytes) === name) return JSON.parse(new TextDecoder().decode(bytes)) as Files
    throw new FogError("store_damaged", {
      message: `The code of the version is ${bytes === undefined ? "missing" : "damaged"}: ${pathOf(name)}`,
      hint: "Deploy the function again, or roll back to another version.",
    })
  }

  /** Removes what nobody names. @param named bundles of all versions */
  async clean(named: ReadonlySet<string>): Promise<void> {
    for (const file of await this.#disk.list(folder)) {
      const name = file.replace(/\.json(\.new)?$/, "")
      if (!named.has(name) && !this.#held.has(name)) await this.#disk.remove(`${folder}/${file}`)
    }
  }
}

const pathOf = (name: string): string => `${folder}/${name}.json`

function contentOf(files: Files): string {
  return JSON.stringify(Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))))
}

function hashOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex")
}
