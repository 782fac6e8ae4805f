/**
 * Rules on their way into the log: what 8,000 of them over 1,000 devices cost a node that takes MQTT QoS 1 readings, and how
 * many conditions a second one stream with 300 rules is worth. All through a whole node, its disk included.
 */
import { startBrumeBroker } from "./brokers.ts"
import { fdatasyncRate } from "./limits.ts"
import { runLoad } from "./load.ts"
import { startLoadGenerator } from "./mqtt-load.ts"
import { withOthersShare } from "./others.ts"
import { type Contender, type Figures, medianOf, report, runRounds } from "./rounds.ts"
import type { Server } from "./servers.ts"

/** As many devices as the generator has. */
const devices = 1_000
const rulesPerDevice = 8
const manyRules = devices * rulesPerDevice
const streamRules = 300
const perSecond = "readings per second, MQTT QoS 1"
const memory = "memory per rule, kB"

export async function rules(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const contenders = [
    fleet("no rules", false, options.scale),
    fleet("8,000 rules", true, options.scale),
    stream(options.scale),
    remembered,
  ]
  const summary = await runRounds(contenders, options.rounds)
  await report("rules", summary, {
    limits: { "fdatasync per second": await fdatasyncRate() },
    goals: [
      {
        text: `readings per second with ${manyRules.toLocaleString("en-US")} threshold rules over 1,000 devices`,
        measured: medianOf(summary, "8,000 rules", perSecond),
        wanted: { atLeast: 100_000 },
      },
      {
        text: `evaluations per second of ${streamRules} rules on one stream`,
        measured: medianOf(summary, "300 rules on one stream", "evaluations per second"),
        wanted: { atLeast: 3_000_000 },
      },
      { text: memory, measured: medianOf(summary, remembered.name, memory), wanted: { atMost: 20 } },
    ],
    notes: [
      "a message carries two readings, temperature and humidity; all eight rules of its device are on the temperature",
      "of eight rules two wait with for, two have clearWhen, one of each thousand fires (with a cooldown of a second)",
      "the stream of 300 rules comes as line protocol, 5,000 readings a request; an evaluation is one rule's condition on one reading",
      "memory per rule: by how much a node that knows the devices grows while 8,000 rules are applied and meet all of them, by their number; what applying them left to be collected is in it",
    ],
  })
}

function fleet(name: string, hasRules: boolean, scale: number): Contender {
  return { name, measure: () => measureFleet(hasRules, scale) }
}

async function measureFleet(hasRules: boolean, scale: number): Promise<Figures> {
  await using broker = await startBrumeBroker()
  await using generator = startLoadGenerator()
  const load = { port: broker.mqttPort, protocol: "mqtt", connections: 50, inFlight: 100 } as const
  const warmUpSeconds = Math.max(0.3, scale)
  const seconds = Math.max(0.5, 5 * scale)
  if (hasRules) await apply(broker, fleetRules())
  const cpuBefore = await broker.cpuSeconds()
  const { result, othersShare } = await withOthersShare([broker, generator], () =>
    generator.publish({ ...load, warmUpSeconds, seconds }),
  )
  if (result.unacknowledged > 0) throw new Error(`${result.unacknowledged} messages were never acknowledged`)
  const cpuPerMessage = (((await broker.cpuSeconds()) - cpuBefore) / result.acknowledged) * 1e6
  if (hasRules) await refuseIdleRules(broker)
  return {
    [perSecond]: result.perSecond * 2,
    "messages per second": result.perSecond,
    "cpu µs per message": cpuPerMessage,
    "p99 ms": result.acknowledgedMsP99,
    "generator's processor share": result.generatorShare,
    "others' share of the machine": othersShare,
  }
}

const remembered: Contender = {
  name: "8,000 rules at rest",
  measure: async () => {
    await using broker = await startBrumeBroker()
    const load = {
      ...{ url: broker.url, path: "/write", headers: broker.headers, connections: 1, batch: 1_000, series: devices },
      ...{ readings: 5_000, stepMs: 1_000 },
    }
    const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3_000))
    await runLoad({ ...load, startMs: 1.6e12 })
    await settled()
    const before = await broker.residentBytes()
    await apply(broker, fleetRules())
    // Each of them meets its device, and remembers what it has to.
    await runLoad({ ...load, startMs: 1.7e12 })
    await settled()
    return { [memory]: ((await broker.residentBytes()) - before) / manyRules / 1_000 }
  },
}

function stream(scale: number): Contender {
  return { name: "300 rules on one stream", measure: () => measureStream(scale) }
}

async function measureStream(scale: number): Promise<Figures> {
  await using broker = await startBrumeBroker()
  await apply(
    broker,
    Array.from({ length: streamRules }, (_, index) =>
      ruleOf(`stream-${index}`, { on: { device: "room-0" }, when: `value > ${30 + index}.5` }),
    ),
  )
  const load = {
    ...{ url: broker.url, path: "/write", headers: broker.headers, connections: 4, batch: 5_000, series: 1 },
    stepMs: 1_000,
  }
  await runLoad({ ...load, readings: 50_000, startMs: 1.6e12 })
  const readings = Math.max(50_000, Math.round(500_000 * scale))
  const result = await runLoad({ ...load, readings, startMs: 1.7e12 })
  if (result.failures > 0) throw new Error(`${result.failures} writes failed`)
  return {
    "readings per second": readings / result.seconds,
    "evaluations per second": (readings / result.seconds) * streamRules,
  }
}

/** Temperatures are between 20 and 25. */
function fleetRules(): object[] {
  const made: object[] = []
  for (let device = 0; device < devices; device++) {
    const on = { device: `room-${device}`, property: "temperature" }
    for (let index = 0; index < rulesPerDevice; index++) {
      const limit = 25.5 + index
      const more =
        index < 2
          ? { when: `value > ${limit}`, for: "5m" }
          : index < 4
            ? { when: `value > ${limit}`, clearWhen: `value < ${limit - 1}` }
            : { when: `value > ${limit}` }
      made.push(ruleOf(`room-${device}-${index}`, { on, ...more }))
    }
  }
  for (let device = 0; device < rulesPerDevice; device++)
    made[device * rulesPerDevice + 7] = ruleOf(`room-${device}-7`, {
      ...{ on: { device: `room-${device}`, property: "temperature" }, when: "value > 0", cooldown: "1s" },
    })
  return made
}

function ruleOf(name: string, spec: object): object {
  const actions = [{ publish: { topic: `alerts/${name}`, payload: "{{ device }} is at {{ value }}" } }]
  return { apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name }, spec: { ...spec, actions } }
}

async function apply({ url, headers }: Server, documents: readonly object[]): Promise<void> {
  for (let from = 0; from < documents.length; from += 200) {
    const answer = await fetch(`${url}/v1/documents`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(documents.slice(from, from + 200)),
    })
    if (!answer.ok) throw new Error(await answer.text())
    await answer.arrayBuffer()
  }
}

/** Rules that did nothing would cost nothing. */
async function refuseIdleRules({ url, headers }: Server): Promise<void> {
  const metrics = await (await fetch(`${url}/metrics`, { headers })).text()
  const fired = Number(/^brume_rules_fired_total (\d+)/m.exec(metrics)?.[1] ?? 0)
  const enabled = Number(/^brume_rules_enabled (\d+)/m.exec(metrics)?.[1] ?? 0)
  if (enabled !== manyRules || fired < rulesPerDevice) throw new Error(`${enabled} rules, which fired ${fired} times`)
}
