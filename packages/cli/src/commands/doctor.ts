/** `brume doctor`: is this machine fit, is the data folder whole, is the node well? */
import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import { inspectFunctionsMachine } from "@brume/node"
import { type ConnectionFlags, connect, defaultDataFolder, demoDataFolder } from "../connection.ts"
import type { Check } from "../doctor/check.ts"
import { checkFolder } from "../doctor/folder.ts"
import { checkFunctions } from "../doctor/functions.ts"
import { checkClock, checkNodeVersion, checkThreads } from "../doctor/machine.ts"
import { checkNode } from "../doctor/node.ts"
import type { Terminal } from "../terminal.ts"
import { ownVersion } from "./version.ts"

export interface DoctorFlags extends ConnectionFlags {
  readonly json?: boolean
}

/** Resolves to 1 when something failed; warnings are none. */
export async function doctor(_none: readonly [], flags: DoctorFlags, terminal: Terminal): Promise<number> {
  const folder = resolve(terminal.folder, flags.data ?? (await presentFolder(terminal.folder)))
  const checks = [
    checkNodeVersion(),
    checkThreads(terminal.environment),
    checkClock(),
    ...checkFunctions(await inspectFunctionsMachine()),
    ...(await checkFolder(folder)),
    ...(await checkNode(await connect(flags, terminal), ownVersion())),
  ]
  const isWell = checks.every(({ state }) => state !== "fail")
  if (flags.json === true) await terminal.out.write(`${JSON.stringify({ ok: isWell, checks })}\n`)
  else await terminal.out.write(checks.map((check) => checkText(check, terminal)).join(""))
  return isWell ? 0 : 1
}

async function presentFolder(folder: string): Promise<string> {
  const isOwnThere = await isThere(resolve(folder, defaultDataFolder))
  return !isOwnThere && (await isThere(resolve(folder, demoDataFolder))) ? demoDataFolder : defaultDataFolder
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

const nameWidth = 14

function checkText({ name, state, says, remedy }: Check, { out: { paint } }: Terminal): string {
  const mark = {
    ok: paint.green("ok  "),
    warn: paint.yellow("warn"),
    fail: paint.red("fail"),
    skip: paint.dim("skip"),
  }[state]
  const line = `${mark}  ${name.padEnd(nameWidth)}${says}\n`
  return remedy === undefined ? line : `${line}${" ".repeat(nameWidth + 6)}${paint.cyan("→")} ${remedy}\n`
}
