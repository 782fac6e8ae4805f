/**
 * What an idle MQTT connection costs in resident memory, and how long 10,000 persistent sessions take to come back when
 * all of them lost their connection at once.
 */
import { startAedes } from "./aedes-broker.ts"
import { startBareBroker } from "./bare-broker.ts"
import { type Broker, brumeSpeaksMqtt, mosquittoIsInstalled, startBrumeBroker, startMosquitto } from "./brokers.ts"
import { startLoadGenerator } from "./mqtt-load.ts"
import { type Contender, type Figures, medianOf, report, runRounds } from "./rounds.ts"

const perConnection = "kB per idle connection"
const storm = "reconnect storm, s"
const settleMs = 3000

export async function connections(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const count = Math.round(10_000 * options.scale)
  const hasBrume = brumeSpeaksMqtt()
  const contenders: Contender[] = [
    ...(hasBrume ? [contender("brume", startBrumeBroker, count)] : []),
    ...(mosquittoIsInstalled() ? [contender("mosquitto", () => startMosquitto(), count)] : []),
    contender("aedes", startAedes, count),
  ]
  const summary = await runRounds(contenders, options.rounds)
  const bare = await measureIdle(await startBareBroker(), count)
  await report("connections", summary, {
    limits: { "bare Node.js server that answers CONNECT, kB per idle socket": bare[perConnection]! },
    goals: [
      {
        text: "resident kB per idle connection",
        measured: medianOf(summary, "brume", perConnection),
        wanted: { atMost: 8 },
      },
      {
        text: "reconnect storm of all sessions, s",
        measured: medianOf(summary, "brume", storm),
        wanted: { atMost: 20 },
      },
    ],
    notes: [
      `${count} connections, keep alive 0; memory is read ${settleMs / 1000} s after the last CONNACK`,
      "storm: clean session off, one subscription each, all connections reset, then all opened at once, until the last CONNACK",
      ...(hasBrume ? [] : ["brume is left out: this node does not know --mqtt"]),
      ...(mosquittoIsInstalled() ? [] : ["mosquitto is not installed: apt-get install mosquitto"]),
    ],
  })
}

function contender(name: string, start: () => Promise<Broker>, count: number): Contender {
  return {
    name,
    measure: async (): Promise<Figures> => {
      const idle = await measureIdle(await start(), count)
      await using broker = await start()
      await using generator = startLoadGenerator()
      const common = { port: broker.mqttPort, count, isLasting: true }
      const opened = await generator.crowd({ ...common, step: "open" })
      if (opened.sessionsPresent > 0) throw new Error(`${name}: ${opened.sessionsPresent} sessions were there before`)
      await generator.crowd({ ...common, step: "cut" })
      await settle(1000)
      const returned = await generator.crowd({ ...common, step: "return" })
      if (returned.sessionsPresent !== count) {
        throw new Error(`${name}: ${returned.sessionsPresent} of ${count} sessions were there after the storm`)
      }
      return { ...idle, [storm]: returned.seconds, "storm, connection attempts made again": returned.retries }
    },
  }
}

async function measureIdle(started: Broker, count: number): Promise<Figures> {
  await using broker = started
  await using generator = startLoadGenerator()
  // One connection first: what the first client alone brings into memory is not a cost of each.
  await generator.crowd({ port: broker.mqttPort, count: 1, isLasting: false, step: "open" })
  await settle(1000)
  const before = await broker.residentBytes()
  const opened = await generator.crowd({ port: broker.mqttPort, count, isLasting: false, step: "open" })
  await settle(settleMs)
  return {
    [perConnection]: ((await broker.residentBytes()) - before) / count / 1000,
    "connections opened per second": count / opened.seconds,
  }
}

function settle(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
