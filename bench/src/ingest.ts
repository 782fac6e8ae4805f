/**
 * MQTT ingest: QoS 1 readings of 64 bytes per second until acknowledged, Brume (which syncs before it acknowledges)
 * beside brokers that keep nothing, and beside Redis streams, which sync as well.
 */
import { startAedes } from "./aedes-broker.ts"
import { startBareBroker } from "./bare-broker.ts"
import {
  type Broker,
  brumeSpeaksMqtt,
  mosquittoIsInstalled,
  mosquittoSettings,
  redisIsInstalled,
  startBrumeBroker,
  startMosquitto,
  startRedis,
} from "./brokers.ts"
import { fdatasyncRate, publishParseRate } from "./limits.ts"
import { startLoadGenerator } from "./mqtt-load.ts"
import { withOthersShare } from "./others.ts"
import { type Contender, type Figures, median, medianOf, ratio, report, runRounds, type Summary } from "./rounds.ts"

const shapes = [
  { name: "50 x 100 in flight", connections: 50, inFlight: 100 },
  { name: "1000 x 20 in flight", connections: 1000, inFlight: 20 },
] as const
const rate = 50_000
const [fewFast, manySlow] = shapes
/** How clients of Redis work that do not pipeline. */
const oneByOne = { name: "50 x 1 in flight", connections: 50, inFlight: 1 } as const
const perSecond = (shape: { readonly name: string }): string => `${shape.name}, messages per second`
const offered = `${rate.toLocaleString("en-US")}/s offered, p99 ms`

export async function ingest(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const hasBrume = brumeSpeaksMqtt()
  const contenders: Contender[] = [
    ...(hasBrume ? [contender("brume", startBrumeBroker, options.scale)] : []),
    ...(mosquittoIsInstalled() ? [contender("mosquitto", () => startMosquitto(), options.scale)] : []),
    contender("aedes", startAedes, options.scale),
    ...(redisIsInstalled() ? [contender("redis", startRedis, options.scale)] : []),
  ]
  const summary = await runRounds(contenders, options.rounds)
  const bare = await measure("bare", startBareBroker, options.scale)
  const parseRate = await publishParseRate()
  await report("ingest", summary, {
    limits: {
      "fdatasync per second": await fdatasyncRate(),
      ...(parseRate === undefined ? {} : { "PUBLISH parsed from a buffer, per second": parseRate }),
      ...Object.fromEntries(
        shapes.map((shape) => [`generator against a bare sink, ${shape.name}, per second`, bare[perSecond(shape)]!]),
      ),
      [`generator against a bare sink, ${offered}`]: bare[offered]!,
    },
    goals: [
      {
        text: `${fewFast.name}: Brume against mosquitto, which keeps nothing (must end at 1.0)`,
        measured: ratio(summary, perSecond(fewFast), "brume", "mosquitto"),
        wanted: { atLeast: 0.6 },
      },
      {
        text: `${fewFast.name}: Brume against Redis XADD with appendfsync always, 50 clients that pipeline as much`,
        measured: ratio(summary, perSecond(fewFast), "brume", "redis"),
        wanted: { atLeast: 2.5 },
      },
      {
        text: `${fewFast.name}: Brume against Redis XADD with appendfsync always, 50 clients that wait for each answer`,
        measured: medianOfRatios(summary, perSecond(fewFast), perSecond(oneByOne)),
        wanted: { atLeast: 2.5 },
      },
      {
        text: `${manySlow.name}: Brume against mosquitto`,
        measured: ratio(summary, perSecond(manySlow), "brume", "mosquitto"),
        wanted: { atLeast: 1.5 },
      },
      {
        text: `acknowledgement p99 ms at ${rate.toLocaleString("en-US")}/s offered`,
        measured: medianOf(summary, "brume", offered),
        wanted: { atMost: 40 },
      },
      {
        text: "generator against a bare sink, times the fastest broker's rate",
        measured: Math.min(
          ...shapes.map((shape) => {
            const rates = contenders.map(({ name }) => medianOf(summary, name, perSecond(shape)) ?? 0)
            return bare[perSecond(shape)]! / Math.max(...rates)
          }),
        ),
        wanted: { atLeast: 2 },
      },
    ],
    notes: [
      ...(hasBrume ? [] : ["brume is left out: this node does not know --mqtt"]),
      ...(mosquittoIsInstalled() ? [] : ["mosquitto is not installed: apt-get install mosquitto"]),
      ...(redisIsInstalled() ? [] : ["redis is not installed: apt-get install redis-server"]),
      ...(parseRate === undefined ? ["the parser alone is not measured: the built node has none"] : []),
      `mosquitto and aedes run with defaults, nothing is durable; mosquitto: ${mosquittoSettings.join(", ")}`,
      "redis: appendfsync always, XADD to one stream a device",
      "after the first load, every reading that Brume acknowledged was counted with SQL",
    ].filter((note) => hasBrume || !note.startsWith("after")),
  })
}

/** As `ratio`, where Redis is measured in a shape of its own. */
function medianOfRatios(summary: Summary, ofBrume: string, ofRedis: string): number | undefined {
  const above = summary.figures.brume?.[ofBrume]?.rounds
  const below = summary.figures.redis?.[ofRedis]?.rounds
  if (above === undefined || below === undefined) return undefined
  return median(above.map((value, round) => value / below[round]!))
}

function contender(name: string, start: () => Promise<Broker>, scale: number): Contender {
  return { name, measure: () => measure(name, start, scale) }
}

async function measure(name: string, start: () => Promise<Broker>, scale: number): Promise<Figures> {
  const figures: Record<string, number> = {}
  const protocol = name === "redis" ? "redis" : "mqtt"
  const duration = { warmUpSeconds: Math.max(0.3, scale), seconds: Math.max(0.5, 5 * scale) }
  for (const shape of protocol === "redis" ? [fewFast, oneByOne] : shapes) {
    await using broker = await start()
    await using generator = startLoadGenerator()
    const cpuBefore = await broker.cpuSeconds()
    const { connections, inFlight } = shape
    const { result: load, othersShare } = await withOthersShare([broker, generator], () =>
      generator.publish({ port: broker.mqttPort, protocol, connections, inFlight, ...duration }),
    )
    refuseLosses(name, load.unacknowledged)
    figures[perSecond(shape)] = load.perSecond
    figures[`${shape.name}, cpu µs per message`] = (((await broker.cpuSeconds()) - cpuBefore) / load.acknowledged) * 1e6
    figures[`${shape.name}, p50 ms`] = load.acknowledgedMsP50
    figures[`${shape.name}, p99 ms`] = load.acknowledgedMsP99
    figures[`${shape.name}, generator's processor share`] = load.generatorShare
    figures[`${shape.name}, others' share of the machine`] = othersShare
    if (name === "brume" && shape === fewFast) await countReadings(broker, load.acknowledged)
  }
  await using broker = await start()
  await using generator = startLoadGenerator()
  const load = await generator.publish({
    port: broker.mqttPort,
    protocol,
    connections: 50,
    inFlight: 1000,
    rate,
    ...duration,
  })
  refuseLosses(name, load.unacknowledged)
  figures[`${rate.toLocaleString("en-US")}/s offered, p50 ms`] = load.acknowledgedMsP50
  figures[offered] = load.acknowledgedMsP99
  figures[`${rate.toLocaleString("en-US")}/s offered, acknowledged per second`] = load.perSecond
  return figures
}

function refuseLosses(name: string, unacknowledged: number): void {
  if (unacknowledged > 0) throw new Error(`${name}: ${unacknowledged} messages were never acknowledged`)
}

/** Every message carries one temperature. */
async function countReadings(broker: Broker, acknowledged: number): Promise<void> {
  const answer = await fetch(`${broker.url}/v1/query`, {
    method: "POST",
    headers: { ...broker.headers, "content-type": "application/json" },
    body: JSON.stringify({
      sql: "SELECT count(*) AS readings FROM readings WHERE device LIKE '%room-%' AND property LIKE '%temperature'",
    }),
  })
  if (!answer.ok) throw new Error(await answer.text())
  const counted = ((await answer.json()) as { rows: { readings: number }[] }).rows[0]?.readings
  if (counted !== acknowledged) throw new Error(`${acknowledged} readings were acknowledged, ${counted} are there`)
}
