/**
 * `brume demo`: a node with a simulated cold-storage site beside it, in one process.
 *
 * - M1: stdout carries the node's ready line and nothing else; everything for people goes to stderr.
 * - M2: the demo writes into its own data folder, never into one that the environment or a file names.
 * - M3: the outdoor weather is real (examples/cold-storage), everything else is simulated (docs/guide/demo.md).
 */
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { FogError } from "@brume/core"
import { type Config, type FlagSetting, resolveConfig, runNode } from "@brume/node"
import type { Terminal } from "../terminal.ts"
import { type DevicesOptions, openDevices, type Tell } from "./devices.ts"
import { freeAddress } from "./port.ts"
import { parseWeather } from "./weather.ts"

/** As commander reads them. */
export interface DemoFlags {
  readonly data: string
  readonly http?: string
  readonly speed: string
  readonly devices: string
  readonly seed: string
  readonly history: string
  readonly weather?: string
}

const listenKey = "api.listen"
const shippedWeather = new URL("../../../../examples/cold-storage/seattle-weather.csv", import.meta.url)

/** Runs until a signal ends it; resolves to the exit code. */
export async function demo(_none: readonly [], flags: DemoFlags, terminal: Terminal): Promise<number> {
  const tell: Tell = (line) => void terminal.notes.write(`${line}\n`)
  const site = {
    speed: numberFlag("--speed", flags.speed, { min: 1, max: 3_600 }),
    devices: numberFlag("--devices", flags.devices, { min: 1, max: 500, isWhole: true }),
    seed: numberFlag("--seed", flags.seed, { min: 0, max: 2 ** 32 - 1, isWhole: true }),
    historyMs: numberFlag("--history", flags.history, { min: 0, max: 720 }) * 3_600_000,
    weather: await readWeather(flags.weather ?? fileURLToPath(shippedWeather)),
  }
  const config = await resolveDemoConfig(flags, { terminal, tell })
  // The node ends by signals in its own way, and what is beside it with it.
  terminal.releaseSignals()
  return await runNode(config, {
    beside: async ({ url }) => {
      const token = (await readFile(join(config.store.path, "admin-token"), "utf8")).trim()
      for (const line of greeting(site, `${url}/#token=${token}`)) tell(line)
      return await openDevices({ ...site, url, token, tell })
    },
  })
}

/** The demo's own defaults lie below what the environment says, except for the data folder (M2). */
async function resolveDemoConfig(
  flags: DemoFlags,
  { terminal, tell }: { readonly terminal: Terminal; readonly tell: Tell },
): Promise<Config> {
  const environment = { BRUME_NODE__NAME: "cold-storage", BRUME_LOGGER__LEVEL: "warn", ...terminal.environment }
  const surroundings = { environment, workingFolder: terminal.folder, hostName: hostname(), readFile }
  const given: FlagSetting[] = [{ flag: "--data", key: "store.path", value: flags.data }]
  if (flags.http !== undefined) given.push({ flag: "--http", key: listenKey, value: flags.http })
  const { config, origins } = await resolveConfig({ flags: given }, surroundings)
  if (origins.get(listenKey) !== "default") return config

  const wanted = config.api.listen
  const free = await freeAddress(wanted)
  if (free === wanted) return config
  tell(`${wanted} is in use; the demo takes ${free}.`)
  given.push({ flag: "--http", key: listenKey, value: free })
  return (await resolveConfig({ flags: given }, surroundings)).config
}

async function readWeather(path: string): Promise<DevicesOptions["weather"]> {
  let csv: string
  try {
    csv = await readFile(path, "utf8")
  } catch (cause) {
    throw new FogError("usage", {
      message: `Cannot read the weather in ${path}: ${(cause as Error).message}`,
      hint: "The file comes with Brume's repository, in examples/cold-storage; --weather names another one.",
      cause,
    })
  }
  return parseWeather(csv, path)
}

function greeting(site: Pick<DevicesOptions, "devices" | "speed">, address: string): string[] {
  const pace = site.speed === 1 ? "at the speed of reality" : `${site.speed} times faster than reality`
  return [
    `\nA cold-storage site with ${site.devices} simulated devices now lives beside this node, ${pace}.`,
    `\n  Console  ${address}\n`,
    "The address carries the admin token: whoever has it may do everything here. Ctrl-C ends the demo.",
  ]
}

interface Limits {
  readonly min: number
  readonly max: number
  readonly isWhole?: boolean
}

function numberFlag(flag: string, text: string, { min, max, isWhole = false }: Limits): number {
  const value = Number(text)
  if (text.trim() !== "" && value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value
  throw new FogError("usage", {
    message: `${flag} ${text} cannot be used`,
    hint: `Give a ${isWhole ? "whole " : ""}number from ${min} to ${max}.`,
  })
}
