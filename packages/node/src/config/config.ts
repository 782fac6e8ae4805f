/**
 * The configuration: flags over `BRUME_SECTION__KEY` over a YAML file over defaults, resolved once to a frozen object.
 *
 * Invariants:
 * - C1 All mistakes are reported together, each with the path of its key and where it stands.
 * - C2 Nothing is ignored silently: an unknown key, also in a variable that has the form `BRUME_…__…`, is a mistake.
 * - C3 A value is checked even where a stronger source overrides it.
 * - C4 A value reads the same in every source: durations and sizes with units, lists with commas.
 * - C5 What is fine by itself and not together (conflicts.ts) is a mistake as well.
 *
 * It is not TypeBox with its compiler: keys here read quantities and paths, name their source and document themselves,
 * which a JSON schema does not; and its import costs 19 MB of resident memory and 200 ms at start.
 */
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { dirname, resolve } from "node:path"
import { FogError, nearest } from "@brume/core"
import { conflictsOf } from "./conflicts.ts"
import { type Environment, givenByEnvironment } from "./environment.ts"
import type { Given, Mistake } from "./given.ts"
import { type Key, noValue, type Read } from "./key.ts"
import { isSection, type Members } from "./members.ts"
import { allKeys, type Config, envName, schema } from "./schema.ts"

/** A value given on the command line. */
export interface FlagSetting {
  /** As the user wrote it, for messages. */
  readonly flag: string
  /** Path of the key. */
  readonly key: string
  readonly value: string
}

/** What the command line says. */
export interface ConfigRequest {
  readonly flags?: readonly FlagSetting[]
  /** `--config`; else BRUME_CONFIG names the file. */
  readonly file?: string | undefined
}

/** What the process finds around it. */
export interface Surroundings {
  readonly environment: Environment
  readonly workingFolder: string
  readonly hostName: string
  readFile(path: string): Promise<Uint8Array>
}

export interface ResolvedConfig {
  readonly config: Config
  /** Where the value of each key comes from, by path: a flag, a variable, file:line:column, or `default`. */
  readonly origins: ReadonlyMap<string, string>
}

/** Mistakes listed in a message; the details carry all of them. */
const mostListed = 30
const mostFileBytes = 2 ** 20

/** Throws `config_invalid`. */
export async function resolveConfig(
  request: ConfigRequest = {},
  surroundings: Surroundings = systemSurroundings(),
): Promise<ResolvedConfig> {
  const { environment, workingFolder, hostName } = surroundings
  const mistakes: Mistake[] = []
  const given = [
    ...givenByFlags(request.flags ?? [], workingFolder),
    ...givenByEnvironment(environment, workingFolder),
    ...(await givenByFile(request.file ?? environment.BRUME_CONFIG, surroundings, mistakes)),
  ]
  // What a file that is no YAML would have said is unknown.
  const isFileBroken = mistakes.some(({ path }) => path === "")
  const keys = allKeys()
  const values = new Map<string, unknown>()
  const origins = new Map<string, string>()

  // The strongest source comes first: its value stays. The others are read only for their mistakes (C3).
  for (const one of given) {
    const { path, origin } = one
    const key = keys.get(path)
    const read = key === undefined ? { problem: unknownKey(one, keys.keys()) } : readValue(key, one)
    if ("problem" in read) mistakes.push({ path, origin, problem: read.problem })
    else if ("mistakes" in read)
      for (const inner of read.mistakes)
        mistakes.push({ path: path + inner.path, origin: inner.origin ?? origin, problem: inner.problem })
    else if (!values.has(path)) values.set(path, read.value)
    if (key !== undefined && !origins.has(path)) origins.set(path, origin)
  }

  for (const [path, key] of keys) {
    if (origins.has(path)) continue
    origins.set(path, "default")
    const written = path === "node.name" ? nameOfHost(hostName) : key.default
    if (written !== undefined) {
      const read = key.read(written, workingFolder)
      if (!("value" in read)) throw new TypeError(`The default of ${path} is none: ${JSON.stringify(read)}`)
      values.set(path, read.value)
    } else if (key.required && !isFileBroken) {
      mistakes.push({ path, origin: "nowhere", problem: `is missing: ${howToGive(path)}` })
    }
  }

  mistakes.push(...conflictsOf({ values, origins }))
  if (mistakes.length > 0) throw mistakesFound(mistakes)
  return { config: assemble(schema, values) as Config, origins }
}

/** The process itself: the only place that reads `process.env`. */
export function systemSurroundings(): Surroundings {
  return { environment: process.env, workingFolder: process.cwd(), hostName: hostname(), readFile }
}

function givenByFlags(flags: readonly FlagSetting[], folder: string): Given[] {
  return flags.map(({ flag, key, value }) => ({ path: key, origin: flag, written: value, folder }))
}

async function givenByFile(
  named: string | undefined,
  surroundings: Surroundings,
  mistakes: Mistake[],
): Promise<Given[]> {
  if (named === undefined || named === "") return []
  const path = resolve(surroundings.workingFolder, named)
  const text = await readText(path, surroundings)
  if (text.trim() === "") return []
  // The parser costs 8 MB and 60 ms: only who has a file pays.
  const { parseYaml } = await import("./yaml-file.ts")
  const parsed = parseYaml({ name: named, text, folder: dirname(path) }, schema)
  mistakes.push(...parsed.mistakes)
  return parsed.given
}

async function readText(path: string, { readFile }: Surroundings): Promise<string> {
  const hint = "Correct --config or BRUME_CONFIG, or leave it out."
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
    const reasons: Record<string, string> = {
      ENOENT: "it does not exist",
      EISDIR: "it is a folder",
      EACCES: "this user may not read it",
    }
    throw new FogError("config_invalid", {
      message: `Cannot read the configuration ${path}: ${reasons[code] ?? (code || String(cause))}`,
      hint,
      cause,
    })
  }
  if (bytes.length > mostFileBytes)
    throw new FogError("config_invalid", {
      message: `Cannot read the configuration ${path}: it is larger than 1 MiB`,
      hint,
    })
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FogError("config_invalid", {
      message: `Cannot read the configuration ${path}: it is not UTF-8 text`,
      hint: "Save it as UTF-8.",
      cause,
    })
  }
}

function readValue(key: Key<unknown>, { written, folder }: Given): Read<unknown> {
  if (written === undefined) return noValue(key)
  return key.read(written, folder)
}

function unknownKey({ path, guess }: Given, paths: Iterable<string>): string {
  const meant = guess ?? nearest(path, paths)
  return meant === undefined ? "is no key" : `is no key; did you mean ${meant}?`
}

function howToGive(path: string): string {
  if (path === "store.path") return `give --data DIR, ${envName(path)} or store.path in the file`
  return `give ${envName(path)} or ${path} in the file`
}

function mistakesFound(mistakes: readonly Mistake[]): FogError {
  const lines = mistakes.slice(0, mostListed).map(({ path, origin, problem }) => {
    const where = origin === "nowhere" ? "" : `${origin}: `
    return `\n- ${where}${path}${path === "" ? "" : " "}${problem}`
  })
  if (mistakes.length > mostListed) lines.push(`\n- and ${mistakes.length - mostListed} more`)
  const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`
  return new FogError("config_invalid", {
    message: `The configuration has ${count}:${lines.join("")}`,
    hint: "docs/reference/config.md lists every key.",
    details: { mistakes },
  })
}

/** A host name as a node name: what does not fit becomes a hyphen. */
function nameOfHost(hostName: string): string {
  const fitting = hostName.replace(/\.local$/i, "").replace(/[^A-Za-z0-9._-]+/g, "-")
  return fitting.replace(/^[^A-Za-z0-9]+/, "").slice(0, 63) || "node"
}

function assemble(members: Members, values: ReadonlyMap<string, unknown>, prefix = ""): unknown {
  const object: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(members)) {
    object[name] = isSection(member) ? assemble(member.members, values, `${prefix}${name}.`) : values.get(prefix + name)
  }
  return Object.freeze(object)
}
