/**
 * Those who want commands and devices that carry them out, over any number of deaths of the node, and the judge of what a
 * node may do with commands.
 *
 * K1 A sender asks again with the same key until it has an answer; whatever it is told of outcomes is remembered.
 * K2 A device keeps the rules of its QoS over broken connections, answers most commands, some twice, and remembers what
 *    reached it and which answers were acknowledged.
 */
import { connect, type MqttClient } from "mqtt"
import { type NodeProcess, sleep } from "./node-process.ts"

interface Shown {
  readonly id: string
  readonly state: string
  readonly output?: unknown
  readonly retries: number
  readonly late?: boolean
  readonly error?: { readonly code: string }
}

interface Envelope {
  readonly id: string
  readonly input: number
  readonly attempt: number
}

export interface CommandVerdict {
  /** Commands that senders know of. */
  readonly sent: number
  readonly states: Readonly<Record<string, number>>
  /** Keys that became two commands. */
  readonly doubledKeys: readonly string[]
  /** Reached a device of QoS 2 more often than they may, or any device with attempts that they may not have. */
  readonly tooOften: readonly string[]
  /** Without an outcome, though their time is over. */
  readonly open: readonly string[]
  /** Told to somebody with another outcome than the one in force, without having been in doubt. */
  readonly contradicted: readonly string[]
  /** A device's answer was acknowledged, and the outcome is not what it said. */
  readonly unheard: readonly string[]
  /** Failed by the node's own word, and yet they reached a device. */
  readonly falselyFailed: readonly string[]
  /** Reached a device, and no sender was promised them, nor asked for them. */
  readonly invented: readonly string[]
}

/** What one device does with a command, by its input. */
type Habit = "answers" | "answers twice" | "refuses" | "is silent"
const habits: readonly Habit[] = ["answers", "answers", "answers twice", "refuses", "is silent"]
const habitOf = (input: number): Habit => habits[input % habits.length]!

export class CommandOracle {
  readonly #node: () => NodeProcess
  readonly #idByKey = new Map<string, string>()
  readonly #doubledKeys: string[] = []
  readonly #asked = new Map<string, number>()
  /** Outcomes that somebody was told, by id. */
  readonly #told = new Map<string, Shown[]>()
  readonly #arrived = new Map<string, { readonly qos: number; readonly attempts: number[]; readonly input: number }>()
  readonly #acknowledged = new Map<string, Habit>()
  #next = 0

  /** @param node whichever process is the node just now */
  constructor(node: () => NodeProcess) {
    this.#node = node
  }

  get sent(): number {
    return this.#idByKey.size
  }

  /** Sends until `isOver`, one after the other. */
  async send(device: string, terms: { deadlineMs: number; retries: number }, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const input = this.#next++
      const key = `key-${input}`
      this.#asked.set(key, input)
      const isWaiting = input % 3 !== 0
      for (let attempts = 0; attempts < 200; attempts++) {
        const shown = await this.#post(device, key, isWaiting, { input, ...terms })
        if (shown === undefined) {
          await sleep(30)
          continue
        }
        const before = this.#idByKey.get(key)
        if (before !== undefined && before !== shown.id) this.#doubledKeys.push(key)
        this.#idByKey.set(key, shown.id)
        this.#remember(shown)
        // Now and then it asks again although it has an answer.
        if (input % 7 !== 0 || attempts > 0) break
      }
      await sleep(5)
    }
  }

  /** A device with a session that outlives its connection. Returns how it ends. */
  open(device: string, port: number, protocolVersion: 4 | 5, qos: 1 | 2): { end(): Promise<void> } {
    const client: MqttClient = connect({
      ...{ host: "127.0.0.1", port, protocolVersion, clientId: device, clean: false, reconnectPeriod: 40 },
      ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3_600 } } : {}),
    })
    client.on("error", () => {})
    client.subscribe(`devices/${device}/commands/#`, { qos })
    client.on("message", (_topic, payload, packet) => {
      const envelope = JSON.parse(payload.toString()) as Envelope
      const { id, input, attempt } = envelope
      const known = this.#arrived.get(id) ?? { qos, attempts: [], input }
      known.attempts.push(attempt)
      this.#arrived.set(id, known)
      const habit = habitOf(input)
      if (habit === "is silent") return
      const topic = packet.properties?.responseTopic ?? `devices/${device}/replies`
      const said = habit === "refuses" ? { id, state: "failed", error: "no" } : { id, state: "done", output: input }
      const answer = (): void => {
        client.publish(topic, JSON.stringify(said), { qos: 1 }, (error) => {
          if (!error) this.#acknowledged.set(id, habit)
        })
      }
      if (input % 2 === 0) client.publish(topic, JSON.stringify({ id, state: "accepted" }), { qos: 1 })
      answer()
      if (habit === "answers twice") answer()
    })
    return { end: () => client.endAsync(true) }
  }

  async judge(): Promise<CommandVerdict> {
    const states: Record<string, number> = {}
    const open: string[] = []
    const contradicted: string[] = []
    const unheard: string[] = []
    const falselyFailed: string[] = []
    const tooOften: string[] = []
    const commands = await this.#all()
    for (const command of commands) {
      const { id, state, retries } = command
      states[state] = (states[state] ?? 0) + 1
      if (state === "pending") open.push(id)
      for (const told of this.#told.get(id) ?? [])
        if (told.state !== state && !(told.state === "in-doubt" && command.late === true)) contradicted.push(id)
      const arrived = this.#arrived.get(id)
      const habit = this.#acknowledged.get(id)
      const wanted = habit === undefined ? undefined : habit === "refuses" ? "failed" : "done"
      if (wanted !== undefined && state !== wanted) unheard.push(`${id} ${state}`)
      if (arrived === undefined) continue
      const { qos, attempts, input } = arrived
      const isOften = attempts.some((attempt) => attempt > retries + 1)
      const isDoubled = qos === 2 && new Set(attempts).size !== attempts.length
      if (isOften || isDoubled) tooOften.push(`${id} ${attempts.join()}`)
      if (state === "failed" && habitOf(input) !== "refuses") falselyFailed.push(`${id} ${command.error?.code}`)
    }
    const known = new Set(commands.map(({ id }) => id))
    return {
      ...{ sent: this.#idByKey.size, states, doubledKeys: this.#doubledKeys, tooOften, open, contradicted, unheard },
      falselyFailed,
      invented: [...this.#arrived.keys()].filter((id) => !known.has(id)),
    }
  }

  async #post(device: string, key: string, isWaiting: boolean, body: object): Promise<Shown | undefined> {
    try {
      const answer = await this.#node().request(`/v1/devices/${device}/commands/go?wait=${isWaiting}`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body: JSON.stringify(body),
      })
      return answer.status === 200 || answer.status === 202 ? ((await answer.json()) as Shown) : undefined
    } catch {
      // It died.
      return undefined
    }
  }

  #remember(shown: Shown): void {
    if (shown.state === "pending") return
    const told = this.#told.get(shown.id)
    if (told === undefined) this.#told.set(shown.id, [shown])
    else told.push(shown)
  }

  async #all(): Promise<Shown[]> {
    const all: Shown[] = []
    let cursor = ""
    do {
      const answer = await this.#node().request(`/v1/commands?limit=1000${cursor}`)
      const page = (await answer.json()) as { commands: Shown[]; cursor?: string }
      all.push(...page.commands)
      cursor = page.cursor === undefined ? "" : `&cursor=${encodeURIComponent(page.cursor)}`
    } while (cursor !== "")
    return all
  }
}
