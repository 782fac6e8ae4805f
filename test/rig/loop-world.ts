/**
 * The world around a node that dies: sensors with readings of their own ids, devices that carry out commands, a listener, and
 * a host that hears webhooks and calls of functions. All of it outlives the node and writes down what reached it.
 *
 * - L1 A sensor says each id until it is acknowledged: over MQTT with QoS 1 or 2, or over HTTP with an `Idempotency-Key`.
 * - L2 Devices and the listener have sessions that outlive connections.
 * - L3 What is to be heard of an effect is heard here at first hand, not from the node.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { connect, type IClientOptions, type MqttClient } from "mqtt"
import { type NodeProcess, sleep } from "./node-process.ts"

/** Where a reading's loop has come to when the world sees something of it. */
export const steps = [
  "reading acknowledged",
  "command arrived",
  "answer acknowledged",
  "function called",
  "webhook arrived",
  "reading sent",
  "message arrived",
  "webhook answered",
] as const
export type Step = (typeof steps)[number]

export const sensors = ["two", "one", "http"] as const
export type Sensor = (typeof sensors)[number]
export const deviceOf = (sensor: Sensor): string => `sensor/${sensor}`

/** Of QoS 2 and 1: to the first nothing may come twice. */
export const sinks = ["sink-two", "sink-one"] as const
export type Sink = (typeof sinks)[number]

/** What a device does with a command, by the reading's id. */
export type Habit = "answers" | "answers twice" | "refuses" | "is silent"
const habits: readonly Habit[] = ["answers", "answers", "answers twice", "refuses", "is silent"]
export const habitOf = (id: number): Habit => habits[id % habits.length]!

export interface ArrivedCommand {
  readonly sink: Sink
  readonly input: number
  /** How often it came: new, and marked as perhaps come before. */
  fresh: number
  repeated: number
  /** The device's answer was acknowledged. */
  isHeard: boolean
}

export interface ArrivedWebhook {
  /** Requests that the host did not send away with 503. */
  taken: number
  /** Statuses that it wrote; 0 for a connection that it cut. */
  readonly statuses: number[]
}

export class LoopWorld {
  /** Whichever process is the node just now. */
  node!: NodeProcess
  /** Ids, by who says them. */
  readonly sent = new Map<number, Sensor>()
  readonly acknowledged: number[] = []
  /** Readings that the node did not want, with its reason. */
  readonly refused: string[] = []
  /** By the command's id. */
  readonly commands = new Map<string, ArrivedCommand>()
  /** By the effect's key. */
  readonly webhooks = new Map<string, ArrivedWebhook>()
  /** Calls of functions, by the effect's key. */
  readonly calls = new Map<string, number>()
  /** Messages of the rule: how often each id came. */
  readonly messages = new Map<number, number>()
  readonly #waiting = new Map<Step, { left: number; resolve: () => void }>()
  readonly #clients: MqttClient[] = []
  readonly #host = createServer((request, response) => this.#answer(request, response))
  #nextId = 0

  /** Resolves to its port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#host.listen(0, "127.0.0.1", resolve))
    return (this.#host.address() as AddressInfo).port
  }

  /** Resolves at the moment of the step, `count` of them from now. */
  at(step: Step, count: number): Promise<void> {
    return new Promise((resolve) => void this.#waiting.set(step, { left: count, resolve }))
  }

  /** Devices and the listener come, and have subscribed when it resolves. */
  async arrive(port: number): Promise<void> {
    for (const [sink, protocolVersion, qos] of [["sink-two", 5, 2] as const, ["sink-one", 4, 1] as const]) {
      const client = this.#connect(port, sink, protocolVersion)
      client.on("message", (_topic, payload, { dup, properties }) => {
        this.#obey(client, sink, payload.toString(), { isRepeated: dup, to: properties?.responseTopic })
      })
      await client.subscribeAsync(`devices/${sink}/commands/#`, { qos })
    }
    const listener = this.#connect(port, "listener", 5)
    listener.on("message", (_topic, payload) => {
      const id = Number(payload.toString())
      this.messages.set(id, (this.messages.get(id) ?? 0) + 1)
      this.#reach("message arrived")
    })
    await listener.subscribeAsync("out/#", { qos: 2 })
  }

  /** Sensors speak until `isOver`, and then until all is acknowledged. */
  async speak(port: number, isOver: () => boolean): Promise<void> {
    const two = this.#connect(port, "sensor-two", 5)
    const one = this.#connect(port, "sensor-one", 4)
    const byMqtt = (client: MqttClient, qos: 1 | 2) => (id: number, device: string) =>
      client.publishAsync(`devices/${device}/id`, String(id), { qos }).then(() => {})
    const lane = async (sensor: Sensor, say: (id: number, device: string) => Promise<void>): Promise<void> => {
      while (!isOver()) {
        const id = this.#nextId++
        this.sent.set(id, sensor)
        const said = say(id, deviceOf(sensor))
        this.#reach("reading sent")
        await said.then(
          () => {
            this.acknowledged.push(id)
            this.#reach("reading acknowledged")
          },
          (error: { code?: number | string }) => {
            // The library lets go of what it was about to send as the connection broke; it may have been sent or not.
            if (typeof error.code === "number") this.refused.push(`${id} ${error.code}`)
          },
        )
        await sleep(120)
      }
    }
    const lanes = [byMqtt(two, 2), byMqtt(one, 1), (id: number, device: string) => this.#post(id, device)]
    await Promise.all(lanes.flatMap((say, at) => [lane(sensors[at]!, say), lane(sensors[at]!, say)]))
  }

  async leave(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.endAsync(true)))
    this.#host.closeAllConnections()
    this.#host.close()
  }

  #connect(port: number, clientId: string, protocolVersion: 4 | 5): MqttClient {
    const options: IClientOptions = { host: "127.0.0.1", port, protocolVersion, clientId, clean: false }
    const client = connect({
      ...{ ...options, reconnectPeriod: 40, resubscribe: false },
      ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3_600 } } : {}),
    })
    // The end of a connection is what this is about.
    client.on("error", () => {})
    this.#clients.push(client)
    return client
  }

  #reach(step: Step): void {
    const waiting = this.#waiting.get(step)
    if (waiting === undefined || --waiting.left > 0) return
    this.#waiting.delete(step)
    waiting.resolve()
  }

  #obey(
    client: MqttClient,
    sink: Sink,
    text: string,
    how: { readonly isRepeated: boolean; readonly to: string | undefined },
  ): void {
    const { id, input, reply } = JSON.parse(text) as { id: string; input: number; reply: string }
    const known = this.commands.get(id) ?? { sink, input, fresh: 0, repeated: 0, isHeard: false }
    if (how.isRepeated) known.repeated++
    else known.fresh++
    this.commands.set(id, known)
    this.#reach("command arrived")
    const habit = habitOf(input)
    if (habit === "is silent") return
    const said = habit === "refuses" ? { id, state: "failed", error: "no" } : { id, state: "done", output: input }
    // In 3.1.1 by turns where the command says, and on the device's plain topic.
    const to = how.to ?? (input % 2 === 0 ? reply : `devices/${sink}/replies`)
    for (let times = habit === "answers twice" ? 2 : 1; times > 0; times--)
      client.publishAsync(to, JSON.stringify(said), { qos: 1 }).then(
        () => {
          known.isHeard = true
          this.#reach("answer acknowledged")
        },
        () => {},
      )
  }

  /** L1 */
  async #post(id: number, device: string): Promise<void> {
    for (;;) {
      try {
        const answer = await this.node.request("/v1/readings", {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": `reading-${id}` },
          body: JSON.stringify({ device, property: "id", value: id }),
        })
        await answer.arrayBuffer()
        if (answer.ok) return
      } catch {
        // It died.
      }
      await sleep(30)
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    let body = ""
    request.on("error", () => {})
    request.on("data", (piece: Buffer) => {
      body += piece.toString()
    })
    request.on("end", () => {
      if (request.url === "/call") {
        this.calls.set(body, (this.calls.get(body) ?? 0) + 1)
        this.#reach("function called")
        response.end()
      } else this.#takeWebhook(request, response, Number(body))
    })
  }

  #takeWebhook(request: IncomingMessage, response: ServerResponse, id: number): void {
    const key = String(request.headers["idempotency-key"])
    const known = this.webhooks.get(key) ?? { taken: 0, statuses: [] }
    this.webhooks.set(key, known)
    const end = (status: number): void => {
      known.statuses.push(status)
      if (status === 0) request.socket.destroy()
      else response.writeHead(status).end(() => this.#reach("webhook answered"))
    }
    // Not now: certainly not done, and to come again.
    if (id % 11 === 5 && known.statuses.length === 0) {
      end(503)
      return
    }
    known.taken++
    this.#reach("webhook arrived")
    if (id % 11 === 6) end(404)
    else if (id % 11 === 7) end(500)
    else if (id % 11 === 8) end(0)
    else setTimeout(() => end(200), id % 11 === 9 ? 80 : 2)
  }
}
