/**
 * Windows: a rule with 1 s windows and a p95 of each of 1,000 devices, while 50,000 readings arrive per second. What it
 * costs is the difference to the same node, in the same minute, without the rule; phases with and without take turns.
 */
import { connectAsync } from "mqtt"
import { type Broker, startBrumeBroker } from "./brokers.ts"
import { fdatasyncRate } from "./limits.ts"
import { runLoad } from "./load.ts"
import { withOthersShare } from "./others.ts"
import { type Contender, type Figures, medianOf, quantile, report, runRounds } from "./rounds.ts"

const devices = 1_000
const rate = 50_000
const batch = 500
/** Readings of one device in one window. */
const perWindow = rate / devices
/** For what is under way when a window ends: a request carries 10 ms of readings. */
const latenessMs = 100
/** The generator makes its bodies meanwhile. */
const prepareMs = 2_000

const rule = {
  apiVersion: "brume.dev/v1",
  kind: "Rule",
  metadata: { name: "window" },
  spec: {
    on: { device: "#", property: "#" },
    window: {
      type: "tumbling",
      size: "1s",
      select: "quantile_cont(value, 0.95) AS p95, count(*) AS n",
      allowedLateness: `${latenessMs}ms`,
    },
    // One device in nine says it: 111 messages a second show the delay, and cost little.
    when: 'device.startsWith("room-7")',
    actions: [{ publish: { topic: "windows/{{ device }}", payload: "{{ window_end }} {{ n }} {{ p95 }}" } }],
  },
}

interface Heard {
  readonly delayMs: number
  readonly readings: number
}

export async function window(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const contender: Contender = { name: "brume", measure: () => measure(options.scale) }
  const summary = await runRounds([contender], options.rounds)
  await report("window", summary, {
    limits: { "fdatasync per second": await fdatasyncRate() },
    goals: [
      {
        text: `1 s windows with p95 over ${devices} devices at ${rate}/s: cores beyond ingest`,
        measured: medianOf(summary, "brume", "cores for windows"),
        wanted: { atMost: 0.15 },
      },
      {
        text: "result at a subscriber, ms after its window closed, p99",
        measured: medianOf(summary, "brume", "result after the window closed, p99 ms"),
        wanted: { atMost: 100 },
      },
    ],
    notes: [
      `a window closes ${latenessMs} ms after its end (allowedLateness), and delays count from there; they have the commit and the MQTT delivery in them`,
      "readings come over HTTP in line protocol, with the times at which they are due",
    ],
  })
}

async function measure(scale: number): Promise<Figures> {
  await using broker = await startBrumeBroker()
  const heard: Heard[] = []
  const client = await connectAsync(`mqtt://127.0.0.1:${broker.mqttPort}`)
  client.on("message", (_topic, payload) => {
    const at = performance.timeOrigin + performance.now()
    const [end = "", readings = ""] = payload.toString().split(" ")
    heard.push({ delayMs: at - (Date.parse(end) + latenessMs), readings: Number(readings) })
  })
  await client.subscribeAsync("windows/#", { qos: 0 })
  const seconds = Math.max(3, Math.round(6 * scale))
  const phases: Record<"with" | "without", Phase[]> = { with: [], without: [] }
  await phase(broker, 3)
  for (const kind of ["without", "with", "with", "without"] as const) {
    if (kind === "with") await apply(broker)
    phases[kind].push(await phase(broker, seconds))
    if (kind === "with") await remove(broker)
  }
  await client.endAsync()
  const complete = heard.filter(({ readings }) => readings === perWindow).length
  const delays = heard.map(({ delayMs }) => delayMs)
  const mean = (of: readonly Phase[], key: keyof Phase): number =>
    of.reduce((sum, each) => sum + each[key], 0) / of.length
  return {
    "cores without windows": mean(phases.without, "cores"),
    "cores with windows": mean(phases.with, "cores"),
    "cores for windows": mean(phases.with, "cores") - mean(phases.without, "cores"),
    "result after the window closed, p50 ms": quantile(delays, 0.5),
    "result after the window closed, p99 ms": quantile(delays, 0.99),
    "results heard": heard.length,
    "results that have all readings, share": complete / heard.length,
    "acknowledged without windows, p99 ms": mean(phases.without, "acknowledgedMs"),
    "acknowledged with windows, p99 ms": mean(phases.with, "acknowledgedMs"),
    "others' share of the machine": mean([...phases.with, ...phases.without], "othersShare"),
  }
}

interface Phase {
  readonly cores: number
  readonly acknowledgedMs: number
  readonly othersShare: number
}

async function phase(broker: Broker, seconds: number): Promise<Phase> {
  const beginMs = Math.ceil((Date.now() + prepareMs) / 1_000) * 1_000
  const load = runLoad({
    ...{ url: broker.url, path: "/write?precision=ns", headers: broker.headers },
    ...{ connections: 16, batch, readings: rate * seconds, rate, series: devices },
    ...{ startMs: beginMs, stepMs: 1_000 / perWindow, beginMs },
  })
  const until = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms - Date.now()))
  await until(beginMs + 500)
  const began = performance.now()
  const cpuBefore = await broker.cpuSeconds()
  const { othersShare } = await withOthersShare([broker], () => until(beginMs + seconds * 1_000 - 200))
  const cores = ((await broker.cpuSeconds()) - cpuBefore) / ((performance.now() - began) / 1_000)
  const { failures, acknowledgedMsP99 } = await load
  if (failures > 0) throw new Error(`${failures} writes failed`)
  // The last windows close.
  await until(Date.now() + 1_500)
  return { cores, acknowledgedMs: acknowledgedMsP99, othersShare }
}

async function apply({ url, headers }: Broker): Promise<void> {
  const answer = await fetch(`${url}/v1/documents`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(rule),
  })
  if (!answer.ok) throw new Error(await answer.text())
}

/** What came late, or found no room, would be missing in the figures. */
async function remove({ url, headers }: Broker): Promise<void> {
  const place = `${url}/v1/documents/Rule/window`
  const shown = (await (await fetch(place, { headers })).json()) as { status: { window?: { overflowed: number } } }
  if (shown.status.window?.overflowed !== 0) throw new Error(`windows overflowed: ${JSON.stringify(shown.status)}`)
  await fetch(place, { method: "DELETE", headers })
}
