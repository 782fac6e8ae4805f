/** A real mosquitto as a child process, with one user, on a free port. */
import { execFileSync, spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { chmod, writeFile } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { join } from "node:path"
import type { MqttBroker } from "@brume/testkit"
import { sleep, temporaryFolder } from "./node-process.ts"

const places = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"]

/** Path of mosquitto, or undefined where it is not installed. */
export function findMosquitto(): string | undefined {
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export interface Mosquitto extends MqttBroker {
  readonly webSocketUrl: string
  readonly pid: number
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export async function openMosquitto(): Promise<Mosquitto> {
  const path = findMosquitto()
  if (path === undefined) throw new Error("mosquitto is not installed")
  const folder = await temporaryFolder()
  const [port, webPort] = [await freePort(), await freePort()]
  const credentials = { username: "brume", password: "a secret" }
  const passwords = join(folder.path, "passwords")
  await writeFile(passwords, `${credentials.username}:${credentials.password}\n`)
  execFileSync("mosquitto_passwd", ["-U", passwords], { stdio: "ignore" })
  await chmod(passwords, 0o644)
  await chmod(folder.path, 0o755)
  const lines = [
    `listener ${port} 127.0.0.1`,
    `listener ${webPort} 127.0.0.1`,
    "protocol websockets",
    `password_file ${passwords}`,
    "allow_anonymous false",
    "max_topic_alias 10",
    "persistence false",
    "set_tcp_nodelay true",
    "log_type error",
    // As root it would leave the group that may read the files.
    "user root",
  ]
  const config = join(folder.path, "mosquitto.conf")
  await writeFile(config, `${lines.join("\n")}\n`)
  const child = spawn(path, ["-c", config], { stdio: ["ignore", "ignore", "pipe"] })
  let log = ""
  child.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-10_000)
  })
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  for (let turn = 0; !(await answers(port)); turn++) {
    if (turn === 100 || child.exitCode !== null) throw new Error(`mosquitto does not listen\n${log}`)
    await sleep(20)
  }
  return {
    port,
    pid: child.pid!,
    webSocketUrl: `ws://127.0.0.1:${webPort}/mqtt`,
    credentials,
    refusesStrangers: true,
    whyNoRestart: "mosquitto saves its state every half an hour and at its end, not before it acknowledges",
    async close() {
      child.kill("SIGKILL")
      await ended
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function answers(port: number): Promise<boolean> {
  const { RawClient } = await import("@brume/testkit")
  try {
    await (await RawClient.open(port, 4))[Symbol.asyncDispose]()
    return true
  } catch {
    return false
  }
}
