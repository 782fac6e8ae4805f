/** What changes which version of a function is in force. Changes of one function come one after the other. */
import {
  type Clock,
  type DocumentMistake,
  FogError,
  type FunctionSpec,
  type FunctionVersionInfo,
  isFogError,
} from "@brume/core"
import { type Bundles, checkBundle, type Files } from "./bundle.ts"
import { stackOf } from "./deployed-function.ts"
import type { Pool } from "./runtimes/pool.ts"
import type { Runtimes } from "./runtimes/runtimes.ts"
import { type CheckedDocument, checkDocument, isMistakes } from "./spec.ts"
import { type FunctionTable, type StoredFunction, versionOf, withVersion } from "./table.ts"
import type { Timetables } from "./timetables.ts"

export interface Deployment {
  /** As brume.yaml has it; not checked. */
  readonly document: unknown
  /** Path → text: a bundle of JavaScript, or the files of a Python function. Not checked. */
  readonly files: unknown
  /** An admin accepts that nothing keeps the code apart from the machine. */
  readonly acceptUnsandboxed?: boolean | undefined
}

export interface Deployed {
  readonly name: string
  readonly version: number
  readonly change: "created" | "changed" | "unchanged"
}

export interface DeployerOptions {
  readonly table: FunctionTable
  readonly bundles: Bundles
  readonly runtimes: Pick<Runtimes, "inspect" | "check">
  readonly timetables: Timetables
  readonly clock: Clock
  /** A pool for a version that is not in force yet. */
  openPool(name: string, version: FunctionVersionInfo, files: Files): Pool
  /** It is in force, and its pool has the code. */
  use(stored: StoredFunction, pool: Pool): void
  /** The version in force is wanted again: where it rests or could not be started, that is tried anew. */
  revive(name: string): Promise<void>
}

/** How long a new version may take to load its code. ms. */
const longestLoadMs = 30_000
/** Most functions of a node. */
const mostFunctions = 500

export class Deployer {
  readonly #options: DeployerOptions
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(options: DeployerOptions) {
    this.#options = options
  }

  /** Throws `document_invalid`, `function_unloadable`, `function_unsandboxed`, `runtime_missing` and what the store throws. */
  async deploy(name: string, deployment: Deployment): Promise<Deployed> {
    const { timetables } = this.#options
    const checked = checkDocument(deployment.document, timetables)
    if (isMistakes(checked)) throw invalid(name, checked)
    if (checked.name !== name)
      throw invalid(name, [{ path: "metadata.name", problem: `is ${checked.name}, but ${name} is deployed` }])
    const bundle = checkBundle(deployment.files, checked.spec)
    if (Array.isArray(bundle)) throw invalid(name, bundle)
    return await this.turn(name, async () => {
      const { table, bundles } = this.#options
      const before = table.get(name)
      if (before === undefined && table.list().length >= mostFunctions) throw tooMany()
      const accepts = deployment.acceptUnsandboxed ?? before?.acceptsUnsandboxed ?? false
      await this.checkMachine(checked.spec, { name, acceptsUnsandboxed: accepts })
      const current = before === undefined ? undefined : versionOf(before, before.current)
      const isSame =
        current?.bundle === bundle.name &&
        JSON.stringify(current.spec) === JSON.stringify(checked.spec) &&
        JSON.stringify(before?.labels) === JSON.stringify(checked.labels) &&
        before?.acceptsUnsandboxed === accepts
      if (isSame) {
        await this.#options.revive(name)
        return { name, version: current.version, change: "unchanged" }
      }
      const release = await bundles.keep(bundle)
      try {
        const made = {
          created: this.#options.clock.now(),
          bundle: bundle.name,
          bytes: bundle.bytes,
          spec: checked.spec,
        }
        const stored = withVersion(before, made, { ...checked, acceptsUnsandboxed: accepts })
        await this.#replace(stored, bundle.files)
        return { name, version: stored.current, change: before === undefined ? "created" : "changed" }
      } finally {
        release()
        await bundles.clean(table.bundles())
      }
    })
  }

  /** The code in force with another spec: a version of its own. */
  async respecify({ name, spec, labels }: CheckedDocument): Promise<Deployed> {
    return await this.turn(name, async () => {
      const { table, bundles, clock } = this.#options
      const before = existing(table, name)
      const current = versionOf(before, before.current)!
      const isSame =
        JSON.stringify(current.spec) === JSON.stringify(spec) &&
        JSON.stringify(before.labels) === JSON.stringify(labels)
      if (isSame) return { name, version: current.version, change: "unchanged" }
      await this.checkMachine(spec, before)
      const { bundle, bytes } = current
      const stored = withVersion(
        before,
        { created: clock.now(), bundle, bytes, spec },
        { name, ...(labels === undefined ? {} : { labels }), acceptsUnsandboxed: before.acceptsUnsandboxed },
      )
      await this.#replace(stored, await bundles.read(bundle))
      await bundles.clean(table.bundles())
      return { name, version: stored.current, change: "changed" }
    })
  }

  /** @param to the one before the version in force without it. Throws `function_version_not_found`. */
  async rollback(name: string, to: number | undefined): Promise<Deployed> {
    return await this.turn(name, async () => {
      const { table, bundles } = this.#options
      const before = existing(table, name)
      const target = to ?? before.versions.filter(({ version }) => version < before.current).at(-1)?.version
      const version = target === undefined ? undefined : versionOf(before, target)
      if (version === undefined) throw noVersion(before, to)
      if (version.version === before.current) {
        await this.#options.revive(name)
        return { name, version: before.current, change: "unchanged" }
      }
      await this.checkMachine(version.spec, before)
      const stored = { ...before, current: version.version }
      await this.#replace(stored, await bundles.read(version.bundle))
      return { name, version: stored.current, change: "changed" }
    })
  }

  /** Throws where this machine cannot run it, or not safely and nobody accepts that. */
  async checkMachine(
    { runtime }: FunctionSpec,
    { name, acceptsUnsandboxed }: Pick<StoredFunction, "name" | "acceptsUnsandboxed">,
  ): Promise<void> {
    const { runtimes } = this.#options
    await runtimes.check(runtime)
    if (acceptsUnsandboxed) return
    const {
      sandbox,
      reason = "there is no sandbox",
      remedy = "Use a machine with a sandbox.",
    } = await runtimes.inspect()
    if (sandbox !== "unsandboxed") return
    throw new FogError("function_unsandboxed", {
      message: `Nothing keeps ${name} apart from this machine: ${reason}`,
      hint: `${remedy} Or, if you trust the code as the node itself: brume deploy DIR --accept-unsandboxed`,
    })
  }

  /** Waits for earlier changes of the same function. */
  async turn<T>(name: string, change: () => Promise<T>): Promise<T> {
    const mine = (this.#turns.get(name) ?? Promise.resolve()).then(change, change)
    this.#turns.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#turns.get(name) === mine) this.#turns.delete(name)
    }
  }

  /** The new version has loaded its code before it is durable, and is durable before it takes calls. */
  async #replace(stored: StoredFunction, files: Files): Promise<void> {
    const { table, openPool, use } = this.#options
    const version = versionOf(stored, stored.current)!
    const pool = openPool(stored.name, version, files)
    try {
      await this.#loaded(stored.name, pool)
      await table.set(stored)
    } catch (error) {
      await pool.close()
      throw error
    }
    use(stored, pool)
  }

  async #loaded(name: string, pool: Pool): Promise<void> {
    const { clock } = this.#options
    let timer: { cancel(): void } | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = clock.after(longestLoadMs, () => reject(new Error(`it has not loaded within ${longestLoadMs / 1_000} s`)))
    })
    try {
      await Promise.race([pool.ready(), late])
    } catch (cause) {
      if (isFogError(cause, "runtime_missing")) throw cause
      throw new FogError("function_unloadable", {
        message: `The new version of ${name} cannot be loaded: ${(cause as Error).message}`,
        hint: "Mend it and deploy it again; what was deployed before still runs.",
        details: { stack: stackOf(cause) ?? null },
        cause,
      })
    } finally {
      timer?.cancel()
    }
  }
}

export function existing(table: Pick<FunctionTable, "get">, name: string): StoredFunction {
  const stored = table.get(name)
  if (stored !== undefined) return stored
  throw new FogError("function_not_found", {
    message: `No function ${JSON.stringify(name.slice(0, 80))} is deployed`,
    hint: "brume get functions lists what is; brume deploy DIR deploys one.",
  })
}

/** `document_invalid` with all mistakes. */
export function invalid(name: string, mistakes: readonly DocumentMistake[]): FogError {
  const shown = mistakes.slice(0, 10).map(({ path, problem }) => (path === "" ? `it ${problem}` : `${path} ${problem}`))
  const more = mistakes.length > shown.length ? `; and ${mistakes.length - shown.length} more` : ""
  return new FogError("document_invalid", {
    message: `The function ${name} cannot be deployed: ${shown.join("; ")}${more}`,
    hint: "What brume.yaml may say is described in docs/guide/functions.md.",
    details: { mistakes },
  })
}

function noVersion({ name, current, versions }: StoredFunction, to: number | undefined): FogError {
  const kept = versions.map(({ version }) => version).join(", ")
  return new FogError("function_version_not_found", {
    message:
      to === undefined
        ? `There is no version of ${name} before ${current}`
        : `There is no version ${to} of ${name}; ${kept} are kept`,
    hint: `brume describe function ${name} shows its versions; the last ten are kept.`,
  })
}

function tooMany(): FogError {
  return new FogError("functions_busy", {
    message: `${mostFunctions} functions are deployed, which is the limit of a node`,
    hint: "Delete one: brume delete function NAME",
  })
}
