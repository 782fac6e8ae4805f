/**
 * The site's devices as MQTT clients: each has a connection of its own, and publishes what it measures with QoS 1.
 *
 * - L1 What waits for its acknowledgement is bounded: then the device measures no more until there is room.
 * - L2 States (a door) are retained, numbers are not: who subscribes later sees how things stand, and the log stays small.
 * - L3 Each listens to its commands, does what they say in the simulated room, and answers.
 * - L4 The first device is Python's where Python has paho (python-device.ts), and one of these where not, or when that
 *   one has ended.
 */
import type { NewReading } from "@brume/sdk"
import type { MqttClient } from "mqtt"
import {
  answerTo,
  commandsOf,
  type DeviceMessage,
  demoUsername,
  type MqttDevicesOptions,
  messageOf,
} from "./device-message.ts"
import { openPythonDevice, type PythonDevice } from "./python-device.ts"

/** Where readings go. */
export interface LiveSink {
  /** Returns a promise where the caller should wait before the next one. */
  add(reading: NewReading): Promise<void> | undefined
  close(): Promise<void>
}

/** Messages of one connection that may wait for their acknowledgement. (L1) */
const window = 100
/** Devices beyond share the connections of those before them, as behind a gateway. */
const mostConnections = 100
const closeMs = 300
/** How often the last acknowledgements are looked for. */
const lookMs = 10

export async function openMqttDevices(options: MqttDevicesOptions): Promise<LiveSink> {
  const { names, tell, mqttUrl, token, act } = options
  const { connect } = await import("mqtt")
  const complain = onceUntilOver(tell)
  const connections: Connection[] = []
  const byName = new Map<string, Connection | PythonDevice>()
  let isClosing = false
  const join = (name: string): void => {
    const shared = connections.length < mostConnections ? undefined : connections[byName.size % mostConnections]
    const connection =
      shared ??
      new Connection(
        connect(mqttUrl, {
          ...{ clientId: name, username: demoUsername, password: token },
          ...{ protocolVersion: 5, clean: true, reconnectPeriod: 1_000 },
        }),
        { complain, act },
      )
    if (shared === undefined) connections.push(connection)
    connection.listen(name)
    byName.set(name, connection)
  }
  const [first = "", ...others] = names
  const python = await openPythonDevice(options, first)
  if (python === undefined) join(first)
  else {
    byName.set(first, python)
    // L4
    void python.ended.then(() => {
      if (!isClosing) join(first)
    })
  }
  for (const name of others) join(name)
  return {
    add: (reading) => byName.get(reading.device)?.send(messageOf(reading)),
    async close() {
      isClosing = true
      await Promise.all([python?.close(), ...connections.map((connection) => connection.close())])
    },
  }
}

class Connection {
  readonly #client: MqttClient
  readonly #complain: (text: string) => void
  readonly #filters: string[] = []
  #unacknowledged = 0
  #isClosing = false
  #wake: () => void = () => {}

  constructor(
    client: MqttClient,
    { complain, act }: { complain: (text: string) => void; act: MqttDevicesOptions["act"] },
  ) {
    this.#client = client
    this.#complain = complain
    client.on("connect", () => client.subscribe(this.#filters, { qos: 1 }))
    client.on("message", (topic, payload) => {
      // L3
      const answer = answerTo({ topic, payload: payload.toString() }, act)
      if (answer !== undefined) void this.send(answer)
    })
    client.on("error", (error) => complain(`The devices try to connect again: ${error.message}`))
  }

  /** To the commands of a device. */
  listen(device: string): void {
    this.#filters.push(commandsOf(device))
    if (this.#client.connected) this.#client.subscribe(commandsOf(device), { qos: 1 })
  }

  send({ topic, payload, retain }: DeviceMessage): Promise<void> | undefined {
    this.#unacknowledged++
    this.#client.publish(topic, payload, { qos: 1, retain }, (error) => {
      this.#unacknowledged--
      if (error !== undefined && error !== null && !this.#isClosing)
        this.#complain(`The node refused readings: ${error.message}`)
      this.#wake()
    })
    return this.#unacknowledged < window ? undefined : this.#room()
  }

  async #room(): Promise<void> {
    while (this.#unacknowledged >= window) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** What is not acknowledged by then is simulated, and the past of the next start. */
  async close(): Promise<void> {
    this.#isClosing = true
    const begun = performance.now()
    const isDue = (): boolean => this.#client.connected && this.#unacknowledged > 0
    while (isDue() && performance.now() - begun < closeMs) await new Promise((resolve) => setTimeout(resolve, lookMs))
    await this.#client.endAsync(!this.#client.connected || this.#unacknowledged > 0).catch(() => {})
    this.#unacknowledged = 0
    this.#wake()
  }
}

function onceUntilOver(tell: (line: string) => void): (text: string) => void {
  let last = ""
  return (text) => {
    if (text !== last) tell(text)
    last = text
  }
}
