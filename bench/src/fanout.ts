/**
 * MQTT fan-out and fan-in: one publisher to 1,000 subscribers, 1,000 publishers to one, and 1,000 publishers to five
 * members of a shared subscription; deliveries per second, and that nothing acknowledged is missing.
 */
import { startAedes } from "./aedes-broker.ts"
import { startBareBroker } from "./bare-broker.ts"
import {
  type Broker,
  brumeSpeaksMqtt,
  mosquittoIsInstalled,
  mosquittoSettings,
  startBrumeBroker,
  startMosquitto,
} from "./brokers.ts"
import { startLoadGenerator } from "./mqtt-load.ts"
import { withOthersShare } from "./others.ts"
import { type Contender, type Figures, medianOf, ratio, report, runRounds } from "./rounds.ts"

const outward = { publishers: 1, subscribers: 1000, isShared: false, window: 20 } as const
const inward = { publishers: 1000, subscribers: 1, isShared: false, window: 10 } as const
const shapes = [
  { name: "1 to 1000, QoS 0", ...outward, qos: 0 },
  { name: "1 to 1000, QoS 1", ...outward, qos: 1 },
  { name: "1000 to 1, QoS 0", ...inward, qos: 0 },
  { name: "1000 to 1, QoS 1", ...inward, qos: 1 },
  { name: "1000 to 5 sharing, QoS 1", ...inward, subscribers: 5, isShared: true, qos: 1 },
] as const
type Shape = (typeof shapes)[number]
const deliveries = (shape: Shape): string => `${shape.name}, deliveries per second`
const missing = (shape: Shape): string => `${shape.name}, missing`

export async function fanout(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const hasBrume = brumeSpeaksMqtt()
  const { scale } = options
  const contenders: Contender[] = [
    ...(hasBrume ? [contender("brume", startBrumeBroker, { scale, shapes })] : []),
    ...(mosquittoIsInstalled() ? [contender("mosquitto", () => startMosquitto(), { scale, shapes })] : []),
    contender("aedes", startAedes, { scale, shapes: shapes.filter(({ isShared }) => !isShared) }),
  ]
  const summary = await runRounds(contenders, options.rounds)
  const bare = await contender("bare", startBareBroker, { scale, shapes: [shapes[0]] }).measure()
  const kept = shapes.filter(({ qos }) => qos === 1)
  await report("fanout", summary, {
    limits: {
      "bare forwarding in Node.js, 1 to 1000, QoS 0, deliveries per second": bare[deliveries(shapes[0])]!,
    },
    goals: [
      ...shapes.map((shape) => ({
        text: `${shape.name}: Brume against mosquitto`,
        measured: ratio(summary, deliveries(shape), "brume", "mosquitto"),
        wanted: { atLeast: 0.5 },
      })),
      ...kept.map((shape) => ({
        text: `${shape.name}: acknowledged by Brume and not delivered`,
        measured: medianOf(summary, "brume", missing(shape)),
        wanted: { atMost: 0 },
      })),
    ],
    notes: [
      ...(hasBrume ? [] : ["brume is left out: this node does not know --mqtt"]),
      ...(mosquittoIsInstalled() ? [] : ["mosquitto is not installed: apt-get install mosquitto"]),
      `mosquitto: defaults but for ${mosquittoSettings.join(", ")}`,
      "aedes takes $share subscriptions and delivers nothing to them, so it has no figure there",
      `paced by arrival: ${outward.window} messages of the one publisher under way, ${inward.window} of each of 1,000`,
    ],
  })
}

function contender(
  name: string,
  start: () => Promise<Broker>,
  options: { readonly scale: number; readonly shapes: readonly Shape[] },
): Contender {
  return {
    name,
    measure: async (): Promise<Figures> => {
      const figures: Record<string, number> = {}
      const duration = {
        warmUpSeconds: Math.max(0.3, options.scale),
        seconds: Math.max(0.5, 4 * options.scale),
      }
      for (const { name: shapeName, ...shape } of options.shapes) {
        await using broker = await start()
        await using generator = startLoadGenerator()
        const { result: load, othersShare } = await withOthersShare([broker, generator], () =>
          generator.fan({ port: broker.mqttPort, ...shape, ...duration }),
        )
        if (load.surplus > 0) throw new Error(`${name}, ${shapeName}: ${load.surplus} deliveries too many`)
        figures[`${shapeName}, deliveries per second`] = load.deliveriesPerSecond
        figures[`${shapeName}, missing`] = load.missing
        figures[`${shapeName}, generator's processor share`] = load.generatorShare
        figures[`${shapeName}, others' share of the machine`] = othersShare
      }
      return figures
    },
  }
}
