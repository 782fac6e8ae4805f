/**
 * One device of the demo as a program in Python: examples/cold-storage/fridge.py, started as a child where there is a
 * Python with paho. It ends with the demo: when its input ends, and by force where it does not.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { answerTo, commandsOf, type DeviceMessage, demoUsername, type MqttDevicesOptions } from "./device-message.ts"

export interface PythonDevice {
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>
  send(message: DeviceMessage): Promise<void> | undefined
  close(): Promise<void>
}

const script = fileURLToPath(new URL("../../../../examples/cold-storage/fridge.py", import.meta.url))
/** The one of the shell first: people install paho for it. */
const interpreters = ["python3", "/usr/bin/python3"]
/** How long an interpreter may take to say whether it has paho, ms. */
const askMs = 5_000
const closeMs = 400

/** undefined, with the reason told, where there is no Python that can. */
export async function openPythonDevice(
  { mqttUrl, token, tell, act }: MqttDevicesOptions,
  name: string,
): Promise<PythonDevice | undefined> {
  const { protocol, hostname, port } = new URL(mqttUrl)
  const interpreter = protocol === "mqtt:" ? await firstWithPaho() : undefined
  if (interpreter === undefined) {
    tell(`${name} is no Python device: there is no python3 with paho.mqtt (pip install paho-mqtt).`)
    return undefined
  }
  const child = spawn(interpreter, [script], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      ...process.env,
      MQTT_HOST: hostname.replace(/^\[|\]$/g, ""),
      MQTT_PORT: port,
      MQTT_CLIENT: name,
      MQTT_USERNAME: demoUsername,
      MQTT_PASSWORD: token,
      MQTT_COMMANDS: commandsOf(name),
    },
  })
  let isClosing = false
  let lastWords = ""
  child.stderr.on("data", (piece: Buffer) => {
    lastWords = (lastWords + piece.toString()).slice(-2_000)
  })
  // What it is told comes out of it, and what it answers goes in.
  createInterface({ input: child.stdout }).on("line", (line) => {
    const answer = answerTo(JSON.parse(line) as { topic: string; payload: string }, act)
    if (answer !== undefined) void written(child, `${JSON.stringify(answer)}\n`)
  })
  // A pipe to a child that ended; `close` tells of it.
  child.stdin.on("error", () => {})
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      lastWords = error.message
      resolve()
    })
    child.once("close", () => resolve())
  })
  void ended.then(() => {
    if (!isClosing) tell(`The Python device ${name} has ended, and goes on without Python. ${lastLineOf(lastWords)}`)
  })
  tell(`${name} is a device in Python (paho): ${script}`)
  return {
    ended,
    send: (message) => written(child, `${JSON.stringify(message)}\n`),
    async close() {
      isClosing = true
      child.stdin.end()
      const timer = setTimeout(() => child.kill("SIGKILL"), closeMs)
      await ended
      clearTimeout(timer)
    },
  }
}

const lastLineOf = (text: string): string => text.trim().split("\n").at(-1) ?? ""

/** Waits where the child takes nothing; what is written to one that ended is lost. */
function written({ stdin, exitCode }: ChildProcess, line: string): Promise<void> | undefined {
  if (stdin === null || exitCode !== null || !stdin.writable || stdin.write(line)) return undefined
  return new Promise((resolve) => {
    const done = (): void => {
      stdin.off("drain", done)
      stdin.off("close", done)
      resolve()
    }
    stdin.on("drain", done)
    stdin.on("close", done)
  })
}

async function firstWithPaho(): Promise<string | undefined> {
  for (const interpreter of interpreters) {
    const hasPaho = await new Promise<boolean>((resolve) => {
      execFile(interpreter, ["-c", "import paho.mqtt.client"], { timeout: askMs }, (error) => resolve(error === null))
    })
    if (hasPaho) return interpreter
  }
  return undefined
}
