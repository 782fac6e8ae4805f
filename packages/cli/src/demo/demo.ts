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
import { type Closeable, FogError } from "@brume/core"
import { type Config, type FlagSetting, resolveConfig, runNode } from "@brume/node"
import type { Terminal } from "../terminal.ts"
import { type AutomationOptions, automate } from "./automation.ts"
import { demoMappings } from "./device-message.ts"
import { type Devices, type DevicesOptions, openDevices, type Tell } from "./devices.ts"
import { freeAddress } from "./port.ts"
import { parseWeather } from "./weather.ts"

/** As commander reads them. */
export interface DemoFlags {
  readonly data: string
  readonly http?: string
  readonly mqtt?: string
  readonly speed: string
  readonly devices: string
  readonly seed: string
  readonly history: string
  readonly weather?: string
}

/** Where the demo listens, and what takes its place when that is in use. */
const listeners = [
  { flag: "--http", key: "api.listen", usual: "127.0.0.1:7777" },
  { flag: "--mqtt", key: "mqtt.listen", usual: "127.0.0.1:1883" },
] as const
const mappingsKey = "devices.mappings"
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
    beside: async ({ url, mqttUrls }) => {
      const tokenFile = join(config.store.path, "admin-token")
      const token = (await readFile(tokenFile, "utf8")).trim()
      // Where somebody took the listener away, the devices go the way of `brume publish`.
      const mqttUrl = mqttUrls.find((one) => one.startsWith("mqtt:")) ?? `${url.replace(/^http/, "ws")}/mqtt`
      for (const line of greeting(site, { console: `${url}/#token=${token}`, url, mqttUrl, tokenFile })) tell(line)
      const devices = await openDevices({ ...site, url, mqttUrl, token, tell })
      return automated(devices, { url, token, tell })
    },
  })
}

/** Rules and functions come when the past is told: they are about what happens now. */
function automated(devices: Devices, options: AutomationOptions): Closeable {
  let isClosing = false
  const tell: Tell = (line) => {
    if (!isClosing) options.tell(line)
  }
  void devices.filled.then(async () => {
    if (!isClosing) await automate({ ...options, tell })
  })
  const close = (): Promise<void> => {
    isClosing = true
    return devices.close()
  }
  return { close, [Symbol.asyncDispose]: close }
}

/** The demo's own defaults lie below what the environment says, except for the data folder (M2). */
async function resolveDemoConfig(
  flags: DemoFlags,
  { terminal, tell }: { readonly terminal: Terminal; readonly tell: Tell },
): Promise<Config> {
  const environment = { BRUME_NODE__NAME: "cold-storage", BRUME_LOGGER__LEVEL: "warn", ...terminal.environment }
  const surroundings = { environment, workingFolder: terminal.folder, hostName: hostname(), readFile }
  const given: FlagSetting[] = [{ flag: "--data", key: "store.path", value: flags.data }]
  if (flags.http !== undefined) given.push({ flag: "--http", key: "api.listen", value: flags.http })
  if (flags.mqtt !== undefined) given.push({ flag: "--mqtt", key: "mqtt.listen", value: flags.mqtt })
  const { config, origins } = await resolveConfig({ flags: given }, surroundings)
  for (const { flag, key, usual } of listeners) {
    if (origins.get(key) !== "default") continue
    const free = await freeAddress(usual)
    if (free !== usual) tell(`${usual} is in use; the demo takes ${free}.`)
    given.push({ flag, key, value: free })
  }
  if (origins.get(mappingsKey) === "default") given.push({ flag: "--set", key: mappingsKey, value: demoMappings })
  return given.length === 1 ? config : (await resolveConfig({ flags: given }, surroundings)).config
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

interface Addresses {
  readonly console: string
  readonly url: string
  readonly mqttUrl: string
  readonly tokenFile: string
}

function greeting(
  site: Pick<DevicesOptions, "devices" | "speed">,
  { console, url, mqttUrl, tokenFile }: Addresses,
): string[] {
  const pace = site.speed === 1 ? "at the speed of reality" : `${site.speed} times faster than reality`
  const { hostname, port } = new URL(mqttUrl)
  return [
    `\nA cold-storage site with ${site.devices} simulated devices now lives beside this node, ${pace}.`,
    `\n  Console  ${console}`,
    `  MQTT     npx brume subscribe "devices/#" --url ${url} --token-file ${tokenFile}`,
    `  Try it   npx brume command hall-a/dairy open-door '{"minutes":3}' --url ${url} --token-file ${tokenFile}`,
    ...(mqttUrl.startsWith("mqtt:")
      ? [`           mosquitto_sub -h ${hostname} -p ${port} -u demo -P "$(cat ${tokenFile})" -t "devices/#" -v`]
      : []),
    "\nThe console's address carries the admin token: whoever has it may do everything here. Ctrl-C ends the demo.",
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
