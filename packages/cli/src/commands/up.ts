/** `brume up`: a node in this process. */
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { configFlags, type FlagSetting, parseSetting, resolveConfig, runNode } from "@brume/node"
import { defaultDataFolder } from "../connection.ts"
import type { Terminal } from "../terminal.ts"

export interface UpFlags {
  readonly data?: string
  readonly http?: string
  readonly mqtt?: string
  readonly mqtts?: string
  readonly insecureMqtt?: boolean
  readonly name?: string
  readonly config?: string
  readonly logLevel?: string
  readonly logFormat?: string
  readonly set?: readonly string[]
  readonly resetAdminToken?: boolean
}

/** Runs until a signal ends it. */
export async function up(_none: readonly [], flags: UpFlags, terminal: Terminal): Promise<number> {
  const { environment, folder } = terminal
  const settings = settingsOf(flags)
  // A default of the command, below everything that anybody says: a file that names no folder is told so.
  const isNamed = settings.some(({ key }) => key === "store.path") || environment.BRUME_STORE__PATH !== undefined
  const hasFile = flags.config !== undefined || environment.BRUME_CONFIG !== undefined
  if (!isNamed && !hasFile) settings.push({ flag: "--data", key: "store.path", value: defaultDataFolder })
  const { config } = await resolveConfig(
    { flags: settings, file: flags.config },
    { environment, workingFolder: folder, hostName: hostname(), readFile },
  )
  // The node ends by signals in its own way.
  terminal.releaseSignals()
  return await runNode(config, { resetAdminToken: flags.resetAdminToken === true })
}

/** Flags of their own before `--set`: of two that name one key the first stays. */
export function settingsOf(flags: UpFlags): FlagSetting[] {
  const given = flags as Readonly<Record<string, unknown>>
  const own = configFlags.flatMap(({ flag, key }) => {
    const value = given[attributeOf(flag)]
    if (value === true) return [{ flag, key, value: "true" }]
    return typeof value === "string" ? [{ flag, key, value }] : []
  })
  return [...own, ...(flags.set ?? []).map(parseSetting)]
}

/** `--log-level` → `logLevel`, as commander names it. */
function attributeOf(flag: string): string {
  return flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
