/**
 * A load generator in a process of its own: `node load.js '{…}'` prints one JSON line of figures.
 * Bodies are made before the clock starts, so that what is measured is the server.
 */
import { fork } from "node:child_process"
import { Agent, request } from "node:http"
import { fileURLToPath } from "node:url"
import { quantile } from "./rounds.ts"

export interface Load {
  readonly url: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly batch: number
  readonly readings: number
  readonly series: number
  /** Time of the first reading, ms since 1970; each series gets one reading per `stepMs` from there on. */
  readonly startMs: number
  readonly stepMs: number
  /** Offered readings per second; as fast as the server answers when left out. */
  readonly rate?: number
  /** When the first request is due, ms since 1970; as soon as the bodies are made when left out. */
  readonly beginMs?: number
}

export interface LoadFigures {
  readonly readings: number
  readonly seconds: number
  readonly acknowledgedMsP50: number
  readonly acknowledgedMsP99: number
  readonly failures: number
}

/** Runs a load in its own process. `signal` ends it early; it then reports what it did until there. */
export function runLoad(load: Load, signal?: AbortSignal): Promise<LoadFigures> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(load)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    })
    signal?.addEventListener("abort", () => child.send("end"))
    child.once("message", (figures) => resolve(figures as LoadFigures))
    child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)))
  })
}

/** Line protocol of reading numbers `from` to `from + count`: series in turn, values with two decimals. */
export function linesOf(load: Pick<Load, "series" | "startMs" | "stepMs">, from: number, count: number): Buffer {
  const lines: string[] = []
  for (let index = from; index < from + count; index++) {
    const series = index % load.series
    const step = Math.floor(index / load.series)
    const value = (20 + 5 * Math.sin(step / 50 + series) + ((index * 7919) % 100) / 100).toFixed(2)
    lines.push(
      `cold,device=room-${series},site=plant-${series % 7} temperature=${value} ${load.startMs + step * load.stepMs}000000`,
    )
  }
  return Buffer.from(lines.join("\n"))
}

async function generate(load: Load): Promise<LoadFigures> {
  const bodies: Buffer[] = []
  for (let from = 0; from < load.readings; from += load.batch) {
    bodies.push(linesOf(load, from, Math.min(load.batch, load.readings - from)))
  }
  const agent = new Agent({ keepAlive: true, maxSockets: load.connections })
  const target = new URL(load.path, load.url)
  const latencies: number[] = []
  let failures = 0
  let next = 0
  let acknowledged = 0
  let isEnding = false
  process.on("message", () => {
    isEnding = true
  })
  if (load.beginMs !== undefined) {
    const waitMs = load.beginMs - Date.now()
    if (waitMs < 0) throw new Error(`the bodies were made ${-waitMs} ms too late`)
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
  const started = performance.now()
  const intervalMs = load.rate === undefined ? 0 : (load.batch / load.rate) * 1000

  const send = (body: Buffer): Promise<boolean> =>
    new Promise((resolve) => {
      const outgoing = request(
        target,
        {
          method: "POST",
          agent,
          headers: { ...load.headers, "content-type": "text/plain; charset=utf-8", "content-length": body.length },
        },
        (answer) => {
          answer.resume()
          answer.once("end", () => resolve((answer.statusCode ?? 500) < 300))
        },
      )
      outgoing.once("error", () => resolve(false))
      outgoing.end(body)
    })

  const work = async (): Promise<void> => {
    while (next < bodies.length && !isEnding) {
      const turn = next++
      // Open loop: a late answer does not delay the next request's due time, so that latency counts from when it was due.
      const due = started + turn * intervalMs
      const wait = due - performance.now()
      if (intervalMs > 0 && wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      const from = intervalMs > 0 ? due : performance.now()
      if (await send(bodies[turn]!)) acknowledged += Math.min(load.batch, load.readings - turn * load.batch)
      else failures++
      latencies.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: load.connections }, work))
  agent.destroy()
  return {
    readings: acknowledged,
    seconds: (performance.now() - started) / 1000,
    acknowledgedMsP50: quantile(latencies, 0.5),
    acknowledgedMsP99: quantile(latencies, 0.99),
    failures,
  }
}

const asked = process.argv[2]
if (process.send !== undefined && asked !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  const figures = await generate(JSON.parse(asked) as Load)
  process.send(figures, () => process.exit(0))
}
