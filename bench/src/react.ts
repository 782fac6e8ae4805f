/**
 * From a reading to the command that it causes: a device publishes, a rule holds, a second client has the command. Beside it
 * the same flow in Node-RED with mosquitto, and two bare hops over mosquitto with a raw relay between them.
 */
import { mkdtemp } from "node:fs/promises"
import { join } from "node:path"
import { type Broker, mosquittoIsInstalled, startBrumeBroker, startMosquitto } from "./brokers.ts"
import { fdatasyncRate } from "./limits.ts"
import { startLoadGenerator } from "./mqtt-load.ts"
import { nodeRedIsInstalled, startNodeRed } from "./node-red.ts"
import { withOthersShare } from "./others.ts"
import { startRelay } from "./relay.ts"
import { type Contender, type Figures, medianOf, ratio, report, runRounds } from "./rounds.ts"

const readingTopic = "devices/room-1/temperature"
const commandTopic = "devices/cooler/commands/start"

type Qos = 0 | 1
const p50 = (qos: Qos): string => `QoS ${qos}, p50 ms`

/** What stands between a broker and its reaction. */
type Reaction = (port: number, qos: Qos) => Promise<AsyncDisposable & { cpuSeconds(): Promise<number> }>

export async function react(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const { scale } = options
  const hasMosquitto = mosquittoIsInstalled()
  const hasNodeRed = hasMosquitto && nodeRedIsInstalled()
  const contenders: Contender[] = [
    contender("brume", () => startRuled(), { scale, qoses: [1, 0], isAnswered: true }),
    contender("brume, data in memory", async () => startRuled(await mkdtemp(join("/dev/shm", "brume-bench-"))), {
      ...{ scale, qoses: [1, 0], isAnswered: true },
    }),
    ...(hasMosquitto
      ? [contender("mosquitto and a relay", startPrompt, { scale, qoses: [1, 0], reaction: relay })]
      : []),
    ...(hasNodeRed
      ? [
          contender("mosquitto and Node-RED", startPrompt, {
            scale,
            qoses: [1, 0],
            reaction: nodeRed,
            isSlowAtQos1: true,
          }),
        ]
      : []),
  ]
  const summary = await runRounds(contenders, options.rounds)
  await report("react", summary, {
    limits: { "one small append and fdatasync, ms": 1_000 / (await fdatasyncRate()) },
    goals: [
      {
        text: "durable, QoS 1: p50 ms",
        measured: medianOf(summary, "brume", p50(1)),
        wanted: { atMost: 0.9 },
      },
      {
        text: "durable, QoS 1: Node-RED with mosquitto against Brume, p50",
        measured: ratio(summary, p50(1), "mosquitto and Node-RED", "brume"),
        wanted: { atLeast: 5 },
      },
      {
        text: "durable, QoS 0: Node-RED with mosquitto, neither of which syncs, against Brume, p50",
        measured: ratio(summary, p50(0), "mosquitto and Node-RED", "brume"),
        wanted: { atLeast: 5 },
      },
      {
        text: "volatile (data in memory), QoS 0: Brume against two bare hops, p50",
        measured: ratio(summary, p50(0), "brume, data in memory", "mosquitto and a relay"),
        wanted: { atMost: 4 },
      },
    ],
    notes: [
      ...(hasMosquitto ? [] : ["mosquitto is not installed: apt-get install mosquitto"]),
      ...(hasNodeRed ? [] : ["Node-RED is not there: npm install --prefix ~/.cache/brume-bench node-red@4.1"]),
      "Brume: reading, rule, command and its record are one commit, synced before the command leaves; the device answers each " +
        "command, which is not in the time. mosquitto and Node-RED keep nothing on disk",
      "Brume has no volatile mode: a command is durable before it leaves, at QoS 0 too. What stands for one is a data folder on " +
        "a file system in memory",
      "mosquitto has set_tcp_nodelay true here: as it comes, each hop at QoS 1 waits 40 ms for a delayed acknowledgement of TCP. " +
        "Node-RED's own client has no such setting, and waits once for each reaction; at QoS 0 nobody waits",
      "one reaction after the other, 2 ms apart: the time of one, on a machine that is otherwise at rest",
    ],
  })
}

interface ContenderOptions {
  readonly scale: number
  readonly qoses: readonly Qos[]
  readonly isAnswered?: boolean
  /** A reaction takes some 40 ms there: fewer are measured. */
  readonly isSlowAtQos1?: boolean
  /** What reacts, where the broker does not. */
  readonly reaction?: Reaction
}

function contender(
  name: string,
  start: () => Promise<Broker>,
  { scale, qoses, isAnswered = false, isSlowAtQos1 = false, reaction }: ContenderOptions,
): Contender {
  return {
    name,
    measure: async (): Promise<Figures> => {
      const figures: Record<string, number> = {}
      for (const qos of qoses) {
        await using broker = await start()
        await using reacting = await reaction?.(broker.mqttPort, qos)
        await using generator = startLoadGenerator()
        const count = Math.ceil(1_000 * scale * (isSlowAtQos1 && qos === 1 ? 0.1 : 1))
        const measured = [broker, generator, ...(reacting === undefined ? [] : [reacting])]
        const { result, othersShare } = await withOthersShare(measured, () =>
          generator.react({
            ...{ port: broker.mqttPort, readingTopic, commandFilter: "devices/cooler/commands/#", qos, isAnswered },
            ...{ warmUp: count, reactions: count },
          }),
        )
        figures[p50(qos)] = result.msP50
        figures[`QoS ${qos}, p99 ms`] = result.msP99
        figures[`QoS ${qos}, generator's processor share`] = result.generatorShare
        figures[`QoS ${qos}, others' share of the machine`] = othersShare
      }
      return figures
    },
  }
}

/** Mosquitto that sends at once. */
const startPrompt = (): Promise<Broker> => startMosquitto(["set_tcp_nodelay true"])

const relay: Reaction = (port, qos) => startRelay({ port, readingTopic, commandTopic, qos })
const nodeRed: Reaction = (port, qos) => startNodeRed({ port, readingTopic, commandTopic, qos })

const rule = {
  apiVersion: "brume.dev/v1",
  kind: "Rule",
  metadata: { name: "react" },
  spec: {
    on: { device: "room-1", property: "temperature" },
    when: "value > 30.0",
    actions: [{ command: { device: "cooler", name: "start", input: { value: "{{ value }}" } } }],
  },
}

async function startRuled(folder?: string): Promise<Broker> {
  const broker = await startBrumeBroker(folder)
  const answer = await fetch(`${broker.url}/v1/documents/Rule/react`, {
    method: "PUT",
    headers: { ...broker.headers, "content-type": "application/json" },
    body: JSON.stringify(rule),
  })
  if (!answer.ok) throw new Error(`the rule was refused: ${await answer.text()}`)
  return broker
}
