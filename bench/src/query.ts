/**
 * SQL while 50,000 readings arrive per second: the last hour of one series, and a group-by over 1,000 series and
 * 3 million readings; Brume beside InfluxDB 1.6, with the acknowledgement's p99 of the load behind it.
 */
import { fdatasyncRate } from "./limits.ts"
import { runLoad } from "./load.ts"
import { type Contender, type Figures, medianOf, quantile, ratio, report, runRounds } from "./rounds.ts"
import { influxIsInstalled, type Server, startBrume, startInflux } from "./servers.ts"

const series = 1000
const stored = 3_000_000
const rate = 50_000
const stepMs = 1000

type Ask = (server: Server) => Promise<number>

export async function query(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const contenders: Contender[] = [
    contender("brume", () => startBrume(), options.scale, {
      path: "/write?precision=ns",
      lastHour: (server) =>
        sql(
          server,
          "SELECT time, value FROM readings WHERE device = 'room-7' AND property = 'cold.temperature' AND time > now()::TIMESTAMP - INTERVAL 1 HOUR ORDER BY time",
        ),
      groupBy: (server) =>
        sql(
          server,
          "SELECT device, avg(value), min(value), max(value) FROM readings WHERE property = 'cold.temperature' GROUP BY device",
        ),
    }),
  ]
  if (influxIsInstalled()) {
    contenders.push(
      contender("influxdb", startInflux, options.scale, {
        path: "/write?db=bench&precision=ns",
        lastHour: (server) =>
          influxql(server, "SELECT temperature FROM cold WHERE device = 'room-7' AND time > now() - 1h"),
        groupBy: (server) =>
          influxql(server, "SELECT mean(temperature), min(temperature), max(temperature) FROM cold GROUP BY device"),
      }),
    )
  }
  const summary = await runRounds(contenders, options.rounds)
  const speedup = ratio(summary, "group by 1,000 series, p50 ms", "influxdb", "brume")
  await report("query", summary, {
    limits: { "fdatasync per second": await fdatasyncRate() },
    goals: [
      {
        text: "last hour of one series, p99 ms",
        measured: medianOf(summary, "brume", "last hour of one series, p99 ms"),
        wanted: { atMost: 10 },
      },
      {
        text: "group by 1,000 series over 3 M readings, times faster than InfluxDB",
        measured: speedup,
        wanted: { atLeast: 10 },
      },
      {
        text: "acknowledgement p99 ms at 50k readings/s meanwhile",
        measured: medianOf(summary, "brume", "acknowledged meanwhile, p99 ms"),
        wanted: { atMost: 40 },
      },
    ],
    notes: influxIsInstalled() ? [] : ["influxdb is not installed: apt-get install influxdb"],
  })
}

function contender(
  name: string,
  start: () => Promise<Server>,
  scale: number,
  asks: { path: string; lastHour: Ask; groupBy: Ask },
): Contender {
  return {
    name,
    measure: async (): Promise<Figures> => {
      await using server = await start()
      const { url, headers } = server
      const common = { url, path: asks.path, headers, series, stepMs }
      const readings = Math.round(stored * scale)
      // History ends now, so that "the last hour" has 3,000 readings of each series.
      const startMs = Date.now() - (readings / series) * stepMs
      const history = await runLoad({ ...common, connections: 4, batch: 5000, readings, startMs })
      // A contender that refused some would answer over fewer rows than the other.
      if (history.failures > 0) throw new Error(`${name}: ${history.failures} writes of the history failed`)
      const seconds = 20 * scale
      const arriving = runLoad({
        ...common,
        connections: 32,
        batch: 500,
        rate,
        readings: Math.round(rate * seconds),
        startMs: Date.now(),
      })
      const until = performance.now() + (seconds - 2) * 1000
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const lastHour: number[] = []
      const groupBy: number[] = []
      let rows = 0
      // One dashboard: it asks for a series ten times a second, and now and then for everything.
      while (performance.now() < until) {
        for (let turn = 0; turn < 10 && performance.now() < until; turn++) {
          const started = performance.now()
          rows = await asks.lastHour(server)
          lastHour.push(performance.now() - started)
          await new Promise((resolve) => setTimeout(resolve, Math.max(0, 50 - (performance.now() - started))))
        }
        const started = performance.now()
        const groups = await asks.groupBy(server)
        groupBy.push(performance.now() - started)
        if (groups !== series) throw new Error(`${name} answered with ${groups} groups`)
      }
      if (rows === 0) throw new Error(`${name}: the last hour is empty`)
      const load = await arriving
      if (load.failures > 0) throw new Error(`${name}: ${load.failures} writes failed`)
      return {
        "last hour of one series, p50 ms": quantile(lastHour, 0.5),
        "last hour of one series, p99 ms": quantile(lastHour, 0.99),
        "rows of the last hour": rows,
        "group by 1,000 series, p50 ms": quantile(groupBy, 0.5),
        "acknowledged meanwhile, p50 ms": load.acknowledgedMsP50,
        "acknowledged meanwhile, p99 ms": load.acknowledgedMsP99,
        "arrived meanwhile, readings per second": load.readings / load.seconds,
      }
    },
  }
}

async function sql(server: Server, statement: string): Promise<number> {
  const answer = await fetch(`${server.url}/v1/query`, {
    method: "POST",
    headers: { ...server.headers, "content-type": "application/json" },
    body: JSON.stringify({ sql: statement }),
  })
  if (!answer.ok) throw new Error(await answer.text())
  return ((await answer.json()) as { rows: unknown[] }).rows.length
}

async function influxql(server: Server, statement: string): Promise<number> {
  const answer = await fetch(`${server.url}/query?db=bench&q=${encodeURIComponent(statement)}`)
  if (!answer.ok) throw new Error(await answer.text())
  const { results } = (await answer.json()) as { results: { series?: { values: unknown[] }[] }[] }
  const found = results[0]?.series ?? []
  return found.length === 1 ? found[0]!.values.length : found.length
}
