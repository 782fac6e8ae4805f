/**
 * Line protocol over HTTP: readings per second until acknowledged, Brume beside InfluxDB 1.6, in large and small batches;
 * and bytes per reading at rest on real series (`--data DIR`, a folder of CSV files `timestamp,value`).
 */
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { byteScanRate, fdatasyncRate, jsonParseRate } from "./limits.ts"
import { runLoad } from "./load.ts"
import { type Contender, medianOf, ratio, report, runRounds } from "./rounds.ts"
import { influxIsInstalled, type Server, startBrume, startInflux } from "./servers.ts"

const startMs = 1_700_000_000_000
const shapes = [
  { name: "batch 5000", batch: 5000, readings: 2_000_000, connections: 4 },
  { name: "batch 100", batch: 100, readings: 1_000_000, connections: 16 },
] as const

export async function line(options: {
  readonly rounds: number
  readonly data: string | undefined
  readonly scale: number
}): Promise<void> {
  const contenders: Contender[] = [contender("brume", () => startBrume(), options.scale)]
  if (influxIsInstalled()) contenders.push(contender("influxdb", startInflux, options.scale))
  const summary = await runRounds(contenders, options.rounds)
  const limits = {
    "fdatasync per second": await fdatasyncRate(),
    "JSON.parse readings per second": jsonParseRate(),
    "bytes of lines scanned, lines per second": byteScanRate(),
  }
  const rest = options.data === undefined ? undefined : await bytesAtRest(options.data)
  const figure = (shape: string): string => `${shape}, readings per second`
  await report("line", summary, {
    limits,
    goals: [
      ...shapes.map(({ name }) => ({
        text: `${name}: Brume against InfluxDB`,
        measured: ratio(summary, figure(name), "brume", "influxdb"),
        wanted: { atLeast: 2 },
      })),
      { text: "bytes per reading at rest, real series", measured: rest?.bytesPerReading, wanted: { atMost: 4 } },
    ],
    notes: [
      ...(influxIsInstalled() ? [] : ["influxdb is not installed: apt-get install influxdb"]),
      ...(rest === undefined
        ? ["bytes at rest want --data DIR"]
        : [`bytes at rest: ${rest.readings} readings of ${rest.series} real series in ${rest.bytes} bytes`]),
      `durable acknowledgements: Brume syncs before it answers; median p99 at batch 100: ${medianOf(summary, "brume", "batch 100, p99 ms")?.toFixed(1)} ms`,
    ],
  })
}

function contender(name: string, start: () => Promise<Server>, scale: number): Contender {
  return {
    name,
    measure: async () => {
      const figures: Record<string, number> = {}
      for (const shape of shapes) {
        await using server = await start()
        const path = name === "brume" ? "/write?precision=ns" : "/write?db=bench&precision=ns"
        const { url, headers } = server
        const common = {
          url,
          path,
          headers,
          connections: shape.connections,
          batch: shape.batch,
          series: 1000,
          startMs,
          stepMs: 1000,
        }
        // A small load first: both have their code compiled and their series known.
        await runLoad({ ...common, readings: 100_000, startMs: startMs - 1_000_000 })
        const cpuBefore = await server.cpuSeconds()
        const result = await runLoad({ ...common, readings: Math.round(shape.readings * scale) })
        if (result.failures > 0) throw new Error(`${name}: ${result.failures} requests failed`)
        figures[`${shape.name}, readings per second`] = result.readings / result.seconds
        figures[`${shape.name}, p99 ms`] = result.acknowledgedMsP99
        figures[`${shape.name}, cpu µs per reading`] =
          (((await server.cpuSeconds()) - cpuBefore) / result.readings) * 1e6
      }
      return figures
    },
  }
}

/** Writes every series of a folder, device by device in turn as they would report, and weighs the sealed segments. */
async function bytesAtRest(
  folder: string,
): Promise<{ readings: number; series: number; bytes: number; bytesPerReading: number }> {
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".csv")).sort()
  const series = await Promise.all(
    files.map(async (name) => {
      const rows = (await readFile(join(folder, name), "utf8")).trim().split("\n").slice(1)
      const device = name.replace(/^.*\//, "").replace(/\.csv$/, "")
      return rows.map((row) => {
        const [time = "", value = ""] = row.split(",")
        return `real,device=${device} value=${value.trim()} ${Date.parse(`${time.replace(" ", "T")}Z`)}`
      })
    }),
  )
  const longest = Math.max(...series.map((lines) => lines.length))
  const ordered: string[] = []
  for (let row = 0; row < longest; row++)
    for (const lines of series) if (lines[row] !== undefined) ordered.push(lines[row]!)
  await using server = await startBrume(undefined, ["store.tables.sealAgeMs=1000"])
  for (let from = 0; from < ordered.length; from += 5000) {
    const answer = await fetch(`${server.url}/write?precision=ms`, {
      method: "POST",
      headers: server.headers,
      body: ordered.slice(from, from + 5000).join("\n"),
    })
    if (!answer.ok) throw new Error(`write failed: ${answer.status} ${await answer.text()}`)
  }
  const segments = join(server.folder, "segments")
  // Sealed when no row is left in the tables; merging may still go on, so wait for quiet.
  for (let attempt = 0, quiet = 0; attempt < 120 && quiet < 3; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const status = (await (await fetch(`${server.url}/v1/status`, { headers: server.headers })).json()) as {
      store: { tableRows: number }
    }
    quiet = status.store.tableRows === 0 ? quiet + 1 : 0
  }
  const sealed = (await readdir(segments)).filter(
    (name) => name.endsWith(".parquet") && !name.endsWith(".latest.parquet"),
  )
  const sizes = await Promise.all(sealed.map(async (name) => (await stat(join(segments, name))).size))
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  return { readings: ordered.length, series: series.length, bytes, bytesPerReading: bytes / ordered.length }
}
