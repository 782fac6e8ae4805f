/**
 * The judge of a closed loop over any number of deaths of the node: what readings say that should have happened, against what
 * the node says of it and what the world saw.
 *
 * - J1 The keys of effects follow from the readings in the store alone; they are computed here anew.
 * - J2 Everything is named: an empty list is what a good node has.
 */
import { createHash } from "node:crypto"
import { deviceOf, habitOf, type LoopWorld, type Sensor, sensors, sinks } from "./loop-world.ts"
import type { NodeProcess } from "./node-process.ts"

export interface LoopFaults {
  /** Readings that the node said it did not take. */
  readonly refused: readonly string[]
  /** Acknowledged, and not stored. */
  readonly lost: readonly number[]
  /** Stored more than once though said with QoS 2 or a key. */
  readonly doubled: readonly number[]
  /** Stored, and never said. */
  readonly invented: readonly number[]
  /** Of a stored reading, and not there. */
  readonly missing: readonly string[]
  /** There, and of no stored reading. */
  readonly causeless: readonly string[]
  /** Without an outcome after all deadlines, or after a restart that must have given one. */
  readonly open: readonly string[]
  /** Reached the world more often than once for a key. */
  readonly repeated: readonly string[]
  /** Reached the world, and the node knows nothing of a cause. */
  readonly baseless: readonly string[]
  /** The outcome is not what the world saw. */
  readonly untrue: readonly string[]
  /** Messages that the listener got more or less often than there are readings. */
  readonly miscounted: readonly string[]
  /** Alarms that are not what the readings say. */
  readonly misjudged: readonly string[]
}

export interface LoopVerdict {
  readonly faults: LoopFaults
  readonly readings: number
  readonly effects: number
  /** By type and state. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Commands that came again, marked so, with QoS 1. */
  readonly marked: number
}

interface StoredReading {
  readonly node: string
  readonly epoch: string
  readonly seq: number
  readonly device: string
  readonly id: number
}

interface ShownEffect {
  readonly key: string
  readonly type: string
  readonly target: string
  readonly created: string
  readonly state: string
  readonly code?: string
}

interface ShownAlarm {
  readonly id: string
  readonly state: string
  readonly count: number
}

/** Indexes of the actions of the rule `every`. */
export const actions = { "sink-two": 0, "sink-one": 1, publish: 2, javascript: 3, python: 4, webhook: 5 } as const
type Action = keyof typeof actions

/** The documents that the loop is made of, as bodies of PUT. */
export function loopRules(port: number, hasPython: boolean): Readonly<Record<string, object>> {
  const on = { device: "sensor/+", property: "id" }
  const take = { name: "take", input: "{{ value }}", deadline: "4s" }
  const see = (name: string) => ({ function: { name, input: { id: "{{ value }}" } } })
  const every = {
    on,
    actions: [
      ...sinks.map((device) => ({ command: { device, ...take } })),
      { publish: { topic: "out/{{ device }}", payload: "{{ value }}", qos: 2 } },
      see("javascript"),
      see(hasPython ? "python" : "javascript"),
      { webhook: { url: `http://127.0.0.1:${port}/hook`, body: "{{ value }}" } },
    ],
  }
  const level = { on, when: "value % 8 >= 4", actions: [{ alarm: { name: "high", message: "{{ value }}" } }] }
  return { every, level }
}

export const isHigh = (id: number): boolean => id % 8 >= 4
/** Functions throw for these before they have done anything. */
export const isThrown = (id: number): boolean => id % 13 === 4

const keyOf = (rule: string, { node, epoch, seq }: StoredReading, ...action: readonly (string | number)[]): string =>
  createHash("sha256")
    .update(JSON.stringify(["rule", rule, node, epoch, seq, ...action]))
    .digest("hex")
const commandIdOf = (device: string, key: string): string =>
  createHash("sha256")
    .update(JSON.stringify(["rule/every", device, key]))
    .digest("hex")
    .slice(0, 32)

export class LoopOracle {
  readonly #world: LoopWorld
  readonly #afterRestarts: { lost: number[]; missing: string[]; open: string[] } = { lost: [], missing: [], open: [] }
  /** Acknowledged ids that were looked for already. */
  #looked = 0
  /** When that was, ms since 1970: their effects are older. */
  #lookedAt = 0

  constructor(world: LoopWorld) {
    this.#world = world
  }

  /**
   * After a restart: what was acknowledged before it is there with its effects, and what the node did outside of its log has
   * an outcome, before anything else. @param killedAt ms since 1970
   */
  async look(acknowledged: number, killedAt: number): Promise<void> {
    const { node } = this.#world
    const ids = this.#world.acknowledged.slice(this.#looked, acknowledged)
    this.#looked = acknowledged
    const faults = this.#afterRestarts
    for (const type of ["function", "webhook"])
      for (const { key, created } of await effectsOf(node, `&state=pending&type=${type}`))
        if (Date.parse(created) < killedAt) faults.open.push(`${type} ${key} after a restart`)
    if (ids.length === 0) return
    const since = this.#lookedAt
    this.#lookedAt = Date.now()
    const stored = new Map((await readingsOf(node, `value >= ${Math.min(...ids)}`)).map((one) => [one.id, one]))
    const keys = new Set((await effectsOf(node, "", since)).map(({ key }) => key))
    for (const id of ids) {
      const reading = stored.get(id)
      if (reading === undefined) faults.lost.push(id)
      else
        for (const [action, index] of Object.entries(actions))
          if (!keys.has(keyOf("every", reading, index))) faults.missing.push(`${action} of ${id} after a restart`)
    }
  }

  async judge(): Promise<LoopVerdict> {
    const world = this.#world
    const { node } = world
    const readings = await readingsOf(node, "true")
    const effects = await effectsOf(node, "")
    const byKey = new Map(effects.map((effect) => [effect.key, effect]))
    const times = new Map<number, number>()
    for (const { id } of readings) times.set(id, (times.get(id) ?? 0) + 1)
    const missing: string[] = [...this.#afterRestarts.missing]
    const untrue: string[] = []
    const wanted = new Set<string>()
    const commandIds = new Set<string>()
    const doubtful: string[] = []
    const seen = new Map<string, number>()
    for (const { text } of await node.sql<{ text: string }>("SELECT text FROM readings WHERE device = 'seen'"))
      seen.set(text, (seen.get(text) ?? 0) + 1)
    for (const reading of readings)
      for (const [action, index] of Object.entries(actions) as [Action, number][]) {
        const key = keyOf("every", reading, index)
        wanted.add(key)
        const effect = byKey.get(key)
        if (action === "sink-two" || action === "sink-one") commandIds.add(commandIdOf(action, key))
        if (effect === undefined) missing.push(`${action} of ${reading.id}`)
        else {
          const why = this.#contradiction(action, reading.id, effect, seen)
          if (why !== undefined) untrue.push(`${action} of ${reading.id} ${effect.state} ${effect.code ?? ""}: ${why}`)
          if (effect.type === "command" && effect.state === "in-doubt") doubtful.push(commandIdOf(action, key))
        }
      }
    const misjudged = await this.#judgeAlarms(readings, byKey, wanted)
    for (const id of doubtful.filter((one) => world.commands.get(one)?.isHeard === true))
      if (!(await this.#isLate(id)))
        untrue.push(`command ${id} is in doubt, though the device's answer was acknowledged`)
    const commands = [...world.commands]
    const outcomes: Record<string, number> = {}
    for (const { type, state } of effects) outcomes[`${type} ${state}`] = (outcomes[`${type} ${state}`] ?? 0) + 1
    const isOnce = (id: number): boolean => world.sent.get(id) !== "one"
    const faults: LoopFaults = {
      refused: world.refused,
      lost: [...this.#afterRestarts.lost, ...world.acknowledged.filter((id) => !times.has(id))],
      doubled: [...times].filter(([id, count]) => count > 1 && isOnce(id)).map(([id]) => id),
      invented: [...times.keys()].filter((id) => !world.sent.has(id)),
      missing,
      causeless: effects
        .filter(({ key }) => !wanted.has(key))
        .map(({ key, type, target }) => `${type} ${target} ${key}`),
      open: [
        ...this.#afterRestarts.open,
        ...effects.filter(({ state }) => state === "pending").map(({ key, type }) => `${type} ${key}`),
      ],
      repeated: [
        ...commands
          .filter(([, { sink, fresh, repeated }]) => fresh > 1 || (sink === "sink-two" && fresh + repeated > 1))
          .map(([id, { sink, fresh, repeated }]) => `${sink} ${id} ${fresh} times, marked ${repeated} times`),
        ...[...world.webhooks].filter(([, { taken }]) => taken > 1).map(([key]) => `webhook ${key}`),
        ...[...world.calls].filter(([, count]) => count > 1).map(([key]) => `function ${key}`),
        ...[...seen].filter(([, count]) => count > 1).map(([key]) => `publish of function ${key}`),
      ],
      baseless: [
        ...commands.filter(([id]) => !commandIds.has(id)).map(([id, { sink }]) => `${sink} ${id}`),
        ...[...world.webhooks.keys(), ...world.calls.keys(), ...seen.keys()].filter((key) => !wanted.has(key)),
      ],
      untrue,
      miscounted: [...new Set([...times.keys(), ...world.messages.keys()])]
        .filter((id) => (times.get(id) ?? 0) !== (world.messages.get(id) ?? 0))
        .map((id) => `${id}: ${times.get(id) ?? 0} readings, ${world.messages.get(id) ?? 0} messages`),
      misjudged,
    }
    const marked = commands.reduce((sum, [, { repeated }]) => sum + repeated, 0)
    return { faults, readings: readings.length, effects: effects.length, outcomes, marked }
  }

  /** Why the world cannot believe the outcome; undefined where it can. */
  #contradiction(
    action: Action,
    id: number,
    { key, state, code }: ShownEffect,
    seen: ReadonlyMap<string, number>,
  ): string | undefined {
    const { commands, webhooks, calls } = this.#world
    switch (action) {
      case "sink-two":
      case "sink-one": {
        const arrived = commands.get(commandIdOf(action, key))
        const habit = habitOf(id)
        if (arrived === undefined)
          return state === "done" || code === "command_unreachable" ? "never arrived" : undefined
        if (state === "failed" && habit !== "refuses") return "arrived, and was not refused"
        if (state === "done" && (habit === "refuses" || habit === "is silent")) return `the device ${habit}`
        return undefined
      }
      case "publish":
        return state === "done" ? undefined : "messages are certain with their commit"
      case "webhook": {
        const { statuses, taken } = webhooks.get(key) ?? { statuses: [], taken: 0 }
        if (state === "done") return statuses.includes(200) ? undefined : "the host did not say so"
        return state === "failed" && taken > 0 && !statuses.includes(404) ? "the host took it" : undefined
      }
      default: {
        const isCalled = calls.has(key)
        if (state === "done") return isCalled && seen.has(key) ? undefined : "the function was not called to its end"
        return state === "failed" && (isCalled || !isThrown(id))
          ? "the function did not throw before it began"
          : undefined
      }
    }
  }

  /** Whether an answer after the deadline has settled the command, if not its effect. */
  async #isLate(id: string): Promise<boolean> {
    const { state, late } = (await (await this.#world.node.request(`/v1/commands/${id}`)).json()) as {
      state: string
      late?: boolean
    }
    return late === true && (state === "done" || state === "failed")
  }

  /** Raised when the last reading says so; each change between has its effect, whose keys are added to `wanted`. */
  async #judgeAlarms(
    readings: readonly StoredReading[],
    effects: ReadonlyMap<string, ShownEffect>,
    wanted: Set<string>,
  ): Promise<string[]> {
    const faults: string[] = []
    const { alarms } = (await (await this.#world.node.request("/v1/alarms")).json()) as { alarms: ShownAlarm[] }
    const judge = (sensor: Sensor): void => {
      let [isRaised, count] = [false, 0]
      for (const reading of readings) {
        if (reading.device !== deviceOf(sensor) || isHigh(reading.id) === isRaised) continue
        isRaised = !isRaised
        if (isRaised) count++
        const key = isRaised ? keyOf("level", reading, 0) : keyOf("level", reading, "clear", 0)
        wanted.add(key)
        const state = effects.get(key)?.state ?? "missing"
        if (state !== "done") faults.push(`${sensor}: the change by ${reading.id} is ${state}`)
      }
      const alarm = alarms.find(({ id }) => id === `high@${deviceOf(sensor)}`)
      const is = alarm === undefined ? "never raised" : `${alarm.state} after ${alarm.count}`
      const shouldBe = count === 0 ? "never raised" : `${isRaised ? "raised" : "cleared"} after ${count}`
      if (is !== shouldBe) faults.push(`${sensor}: is ${is}, should be ${shouldBe}`)
    }
    for (const sensor of sensors) judge(sensor)
    return faults
  }
}

/** In the order of the log. */
async function readingsOf(node: NodeProcess, where: string): Promise<StoredReading[]> {
  const all: StoredReading[] = []
  for (let after = -1; ; ) {
    const page = await node.sql<StoredReading>(
      `SELECT node, epoch, CAST(seq AS DOUBLE) AS seq, device, value AS id FROM readings
       WHERE starts_with(device, 'sensor/') AND property = 'id' AND seq > ${after} AND ${where} ORDER BY seq LIMIT 5000`,
    )
    all.push(...page)
    if (page.length < 5_000) return all
    after = page.at(-1)!.seq
  }
}

/** The newest first; older ones than `since` may be left out. */
async function effectsOf(node: NodeProcess, filter: string, since = 0): Promise<ShownEffect[]> {
  const all: ShownEffect[] = []
  for (let cursor = ""; ; ) {
    const answer = await node.request(`/v1/effects?limit=1000${filter}${cursor}`)
    const page = (await answer.json()) as { effects: ShownEffect[]; cursor?: string }
    if (!answer.ok) throw new Error(JSON.stringify(page))
    all.push(...page.effects)
    const oldest = all.at(-1)
    if (page.cursor === undefined || (oldest !== undefined && Date.parse(oldest.created) < since)) return all
    cursor = `&cursor=${encodeURIComponent(page.cursor)}`
  }
}
