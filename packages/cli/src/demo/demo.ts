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
import type { Command } from "commander"
import { type DevicesOptions, openDevices } from "./devices.ts"
import { freeAddress } from "./port.ts"
import { parseWeather } from "./weather.ts"

/** As commander reads them. */
interface DemoFlags {
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

export function addDemoCommand(program: Command): void {
  program
    .command("demo")
    .description("Run a node with a simulated cold-storage site, driven by real weather")
    .option("--data <folder>", "data folder of the demo's node", ".brume/demo")
    .option("--http <host:port>", "where the node listens (default: 127.0.0.1:7777, or the next free port)")
    .option("--speed <factor>", "how many times faster than reality the site lives, 1 to 3600", "1")
    .option("--devices <count>", "simulated devices, 1 to 500", "8")
    .option("--seed <number>", "another number is another story of doors and defrosting", "1")
    .option("--history <hours>", "how much of the past is simulated at first, 0 to 720", "168")
    .option("--weather <file>", "daily weather to play instead of the one that is shipped (CSV)")
    .action(async (flags: DemoFlags) => {
      process.exitCode = await runDemo(flags)
    })
}

/** Runs until a signal ends it; resolves to the exit code. */
async function runDemo(flags: DemoFlags): Promise<number> {
  const site = {
    speed: numberFlag("--speed", flags.speed, { min: 1, max: 3_600 }),
    devices: numberFlag("--devices", flags.devices, { min: 1, max: 500, isWhole: true }),
    seed: numberFlag("--seed", flags.seed, { min: 0, max: 2 ** 32 - 1, isWhole: true }),
    historyMs: numberFlag("--history", flags.history, { min: 0, max: 720 }) * 3_600_000,
    weather: await readWeather(flags.weather ?? fileURLToPath(shippedWeather)),
  }
  const config = await resolveDemoConfig(flags)
  return await runNode(config, {
    beside: async ({ url }) => {
      const token = (await readFile(join(config.store.path, "admin-token"), "utf8")).trim()
      greet(site, `${url}/#token=${token}`)
      return await openDevices({ ...site, url, token, tell })
    },
  })
}

/** The demo's own defaults lie below what the environment says, except for the data folder (M2). */
async function resolveDemoConfig(flags: DemoFlags): Promise<Config> {
  const environment = { BRUME_NODE__NAME: "cold-storage", BRUME_LOGGER__LEVEL: "warn", ...process.env }
  const surroundings = { environment, workingFolder: process.cwd(), hostName: hostname(), readFile }
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

function greet(site: Pick<DevicesOptions, "devices" | "speed" | "historyMs">, address: string): void {
  const pace = site.speed === 1 ? "at the speed of reality" : `${site.speed} times faster than reality`
  tell(`\nA cold-storage site with ${site.devices} simulated devices now lives beside this node, ${pace}.`)
  tell(`\n  Console  ${address}\n`)
  tell("The address carries the admin token: whoever has it may do everything here. Ctrl-C ends the demo.")
  if (site.historyMs > 0) tell("The past of the site is being filled in…")
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
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
