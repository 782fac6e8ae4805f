/** The texts that `brume apply -f` names: files, folders of them, stdin. */
import { readdir, readFile, stat } from "node:fs/promises"
import { join, relative, resolve } from "node:path"
import { usageError } from "../failure.ts"
import type { Terminal } from "../terminal.ts"

export interface NamedText {
  /** As people would name it from the working folder; `stdin`. */
  readonly file: string
  readonly text: string
}

/** Bytes of one file: far beyond what a node takes. */
const mostBytes = 16_777_216
/** What is taken of a folder. Folders in it are left alone: that of a function has other files than documents. */
const isDocumentFile = (name: string): boolean => /\.(ya?ml|json)$/i.test(name) && !name.startsWith(".")

/** In the order given, and by name within a folder. Throws `usage`. */
export async function readTexts(names: readonly string[], terminal: Terminal): Promise<NamedText[]> {
  const texts: NamedText[] = []
  let isStdinRead = false
  for (const name of names) {
    if (name === "-") {
      if (isStdinRead) throw usageError("stdin can be read once only", "Give -f - once.")
      isStdinRead = true
      texts.push({ file: "stdin", text: decoded("stdin", await piped(terminal)) })
      continue
    }
    for (const path of await pathsOf(resolve(terminal.folder, name))) {
      const file = relative(terminal.folder, path)
      texts.push({ file: file.startsWith("..") ? path : file, text: decoded(path, await bytesOf(path)) })
    }
  }
  return texts
}

async function pathsOf(path: string): Promise<string[]> {
  const found = await stat(path).catch((cause: unknown) => unreadable(path, cause))
  if (!found.isDirectory()) return [path]
  const names = (await readdir(path, { withFileTypes: true }).catch((cause: unknown) => unreadable(path, cause)))
    .filter((entry) => !entry.isDirectory() && isDocumentFile(entry.name))
    .map(({ name }) => name)
    .sort()
  if (names.length > 0) return names.map((name) => join(path, name))
  throw usageError(`The folder ${path} has no documents`, "Documents are in files that end with .yaml, .yml or .json.")
}

async function bytesOf(path: string): Promise<Uint8Array> {
  const { size } = await stat(path).catch((cause: unknown) => unreadable(path, cause))
  if (size > mostBytes) throw tooLarge(path)
  return await readFile(path).catch((cause: unknown) => unreadable(path, cause))
}

async function piped({ input }: Terminal): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of input) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > mostBytes) throw tooLarge("stdin")
  }
  return Buffer.concat(pieces)
}

function decoded(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw usageError(`What ${name} holds is no UTF-8 text`, "Save it as UTF-8.")
  }
}

function tooLarge(name: string) {
  return usageError(`${name} has more than ${mostBytes} bytes`, "Documents are small: is it the right file?")
}

function unreadable(path: string, cause: unknown): never {
  throw usageError(`Cannot read ${path}: ${(cause as Error).message}`, "Correct -f.")
}
