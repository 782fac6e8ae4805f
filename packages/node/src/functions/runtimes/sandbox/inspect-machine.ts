/** What this machine gives to keep functions in. Tools are tried, not looked for: many are there and may not be used. */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { createBubblewrap } from "./bubblewrap.ts"
import type { Sandbox } from "./sandbox.ts"
import { createUnsandboxed } from "./unsandboxed.ts"

export interface FunctionsMachine {
  readonly sandbox: "bubblewrap" | "unsandboxed"
  /** Why functions are not kept in, and what to do. */
  readonly reason: string | undefined
  readonly remedy: string | undefined
  /** Versions; undefined where a tool is missing. */
  readonly bubblewrap: string | undefined
  readonly prlimit: string | undefined
  readonly setpriv: string | undefined
  /** Version of the interpreter, and what is wrong with it. */
  readonly python: string | undefined
  readonly pythonProblem: string | undefined
  readonly pythonRemedy: string | undefined
}

const tools = { bubblewrap: "/usr/bin/bwrap", prlimit: "/usr/bin/prlimit", setpriv: "/usr/bin/setpriv" }
const tryMs = 10_000

type Found = Pick<FunctionsMachine, "sandbox" | "reason" | "remedy" | "bubblewrap" | "prlimit" | "setpriv">

/** Chooses the sandbox. */
export async function chooseSandbox(hidden: readonly string[]): Promise<readonly [Sandbox, Found]> {
  const [bubblewrap, prlimit, setpriv] = await Promise.all([
    versionOf(tools.bubblewrap),
    versionOf(tools.prlimit),
    versionOf(tools.setpriv),
  ])
  const versions = { bubblewrap, prlimit, setpriv }
  const open = (reason: string, remedy: string): readonly [Sandbox, Found] => [
    createUnsandboxed({
      prlimit: prlimit === undefined ? undefined : tools.prlimit,
      setpriv: setpriv === undefined ? undefined : tools.setpriv,
    }),
    { ...versions, sandbox: "unsandboxed", reason, remedy },
  ]
  if (process.platform !== "linux") return open("this system has no sandbox that Brume knows", "Use Linux.")
  if (bubblewrap === undefined)
    return open("bubblewrap is not installed", "Install it (Debian: apt-get install bubblewrap).")
  if (prlimit === undefined || setpriv === undefined)
    return open("prlimit or setpriv is missing", "Install util-linux.")
  const sandbox = createBubblewrap({ ...tools, isRoot: process.getuid?.() === 0, hidden })
  const wrong = await trySandbox(sandbox)
  if (wrong === undefined)
    return [sandbox, { ...versions, sandbox: "bubblewrap", reason: undefined, remedy: undefined }]
  return open(
    `bubblewrap cannot be used: ${wrong}`,
    "Allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile for bwrap).",
  )
}

/** As if nothing were installed that keeps functions in. */
export async function withoutSandbox(): Promise<readonly [Sandbox, Found]> {
  const [, found] = await chooseSandbox([])
  const { prlimit, setpriv } = found
  return [
    createUnsandboxed({
      prlimit: prlimit === undefined ? undefined : tools.prlimit,
      setpriv: setpriv === undefined ? undefined : tools.setpriv,
    }),
    {
      ...found,
      sandbox: "unsandboxed",
      reason: "the configuration wants no sandbox",
      remedy: "Set functions.sandbox to auto.",
    },
  ]
}

/** Runs something in it. Returns why that is impossible. */
async function trySandbox(sandbox: Sandbox): Promise<string | undefined> {
  const { file, args, environment } = sandbox.wrap(
    { command: { file: "/bin/true", args: [], environment: {} }, paths: [], dataMiB: 64 },
    { memoryMiB: 64, network: false },
  )
  try {
    await promisify(execFile)(file, [...args], { env: { ...environment }, timeout: tryMs, cwd: "/" })
    return undefined
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string }
    return (stderr?.trim() || message).split("\n")[0]
  }
}

async function versionOf(tool: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(tool, ["--version"], { env: {}, timeout: tryMs })
    return /\d+(\.\d+)+/.exec(stdout)?.[0] ?? "unknown"
  } catch {
    return undefined
  }
}
