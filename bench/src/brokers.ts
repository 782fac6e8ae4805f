/** Brokers as children of a benchmark, each with an MQTT port on loopback that takes anonymous clients. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cli, freePort, type Server, serverOf, startBrume } from "./servers.ts"

export interface Broker extends Server {
  /** Where clients connect: MQTT, or RESP for Redis. */
  readonly mqttPort: number
}

const mosquitto = "/usr/sbin/mosquitto"
const redis = "/usr/bin/redis-server"

export const mosquittoIsInstalled = (): boolean => existsSync(mosquitto)
export const redisIsInstalled = (): boolean => existsSync(redis)

/** Whether this node's command knows the MQTT front. */
export function brumeSpeaksMqtt(): boolean {
  return execFileSync(process.execPath, [cli, "up", "--help"], { encoding: "utf8" }).includes("--mqtt")
}

/** @param folder a new one when left out */
export async function startBrumeBroker(folder?: string): Promise<Broker> {
  const server = await startBrume(folder, [], ["--mqtt", "127.0.0.1:0", "--insecure-mqtt"])
  const port = /mqtt:\/\/[^\s/]*:(\d+)/.exec(server.readyLine)?.[1]
  if (port === undefined) throw new Error(`no MQTT address in: ${server.readyLine}`)
  return Object.assign(server, { mqttPort: Number(port) })
}

/**
 * Mosquitto as it comes: nothing on disk. Only its limits are raised, so that no message is dropped or held back by
 * configuration; `max_queued_messages 0` and `max_inflight_messages 0` mean no limit.
 */
export const mosquittoSettings = ["max_inflight_messages 0", "max_queued_messages 0"] as const

/** @param more lines of its configuration */
export async function startMosquitto(more: readonly string[] = []): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), "mosquitto-bench-"))
  const mqttPort = await freePort()
  const common = [`listener ${mqttPort} 127.0.0.1`, "allow_anonymous true", "log_type none", ...mosquittoSettings]
  const settings = [...common, ...more]
  await writeFile(join(folder, "mosquitto.conf"), `${settings.join("\n")}\n`)
  return startOn(mqttPort, folder, mosquitto, ["-c", join(folder, "mosquitto.conf")])
}

/** Redis that syncs its append-only file before it answers, and never rewrites it meanwhile. */
export async function startRedis(): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), "redis-bench-"))
  const port = await freePort()
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: "yes",
    appendfsync: "always",
    "auto-aof-rewrite-percentage": "0",
  }
  return startOn(
    port,
    folder,
    redis,
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  )
}

async function startOn(mqttPort: number, folder: string, program: string, words: readonly string[]): Promise<Broker> {
  const started = performance.now()
  const child = spawn(program, words, { stdio: "ignore" })
  for (let attempt = 0; !(await accepts(mqttPort)); attempt++) {
    if (attempt > 500 || child.exitCode !== null) throw new Error(`${program} did not start`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return brokerOf({ mqttPort, child, folder, readyMs: performance.now() - started })
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => resolve(false))
  })
}

export function brokerOf(facts: {
  readonly mqttPort: number
  readonly child: ChildProcess
  readonly folder: string
  readonly readyMs: number
}): Broker {
  const { mqttPort } = facts
  const url = `mqtt://127.0.0.1:${mqttPort}`
  return Object.assign(serverOf({ url, headers: {}, readyLine: "", ...facts }), { mqttPort })
}

/** The port that a child of ours listens on, which it says first. */
export function portFrom(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("message", (port) => resolve(Number(port)))
    child.once("exit", (code) => reject(new Error(`the broker ended with ${code}`)))
  })
}
