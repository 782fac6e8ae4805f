/** What a node costs when nothing happens, how soon it is ready, and how long it takes to open 10 million readings after kill -9. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { bareNodeBytes, fdatasyncRate } from "./limits.ts"
import { runLoad } from "./load.ts"
import { type Contender, medianOf, report, runRounds } from "./rounds.ts"
import { startBrume } from "./servers.ts"

export async function idle(options: { readonly rounds: number; readonly scale: number }): Promise<void> {
  const readings = Math.round(10_000_000 * options.scale)
  const summary = await runRounds([emptyNode, reopenedNode(readings)], options.rounds)
  await report("idle", summary, {
    limits: {
      "RSS of a bare Node.js process, MB": (await bareNodeBytes()) / 1e6,
      "fdatasync per second": await fdatasyncRate(),
    },
    goals: [
      {
        text: "RSS when ready, MB",
        measured: medianOf(summary, "empty node", "RSS after 5 s, MB"),
        wanted: { atMost: 130 },
      },
      { text: "ready, s", measured: medianOf(summary, "empty node", "ready, s"), wanted: { atMost: 1 } },
      {
        text: "open 10 million readings after kill -9, s",
        measured: medianOf(summary, "reopened node", "all readings counted, s"),
        wanted: { atMost: 5 },
      },
    ],
    notes: [`${readings} readings were written before the kill`],
  })
}

const emptyNode: Contender = {
  name: "empty node",
  measure: async () => {
    await using server = await startBrume()
    await new Promise((resolve) => setTimeout(resolve, 5000))
    const cpuBefore = await server.cpuSeconds()
    await new Promise((resolve) => setTimeout(resolve, 5000))
    return {
      "ready, s": server.readyMs / 1000,
      "RSS after 5 s, MB": (await server.residentBytes()) / 1e6,
      "processor share when idle, %": (((await server.cpuSeconds()) - cpuBefore) / 5) * 100,
    }
  },
}

function reopenedNode(readings: number): Contender {
  return {
    name: "reopened node",
    measure: async () => {
      const folder = await mkdtemp(join(tmpdir(), "brume-idle-"))
      const first = await startBrume(folder)
      const load = {
        url: first.url,
        path: "/write",
        headers: first.headers,
        connections: 4,
        batch: 5000,
        series: 1000,
        startMs: 1.7e12,
        stepMs: 1000,
      }
      // In pieces, so that the generator never holds more than a tenth of the bodies.
      for (let part = 0; part < 10; part++) {
        const result = await runLoad({
          ...load,
          readings: readings / 10,
          startMs: 1.7e12 + part * (readings / 10_000) * 1000,
        })
        if (result.failures > 0) throw new Error(`${result.failures} writes failed`)
      }
      await first.end("SIGKILL")
      const started = performance.now()
      const second = await startBrume(folder)
      const answer = await fetch(`${second.url}/v1/query`, {
        method: "POST",
        headers: { ...second.headers, "content-type": "application/json" },
        body: JSON.stringify({ sql: "SELECT count(*) AS readings FROM readings" }),
      })
      const counted = ((await answer.json()) as { rows: { readings: number }[] }).rows[0]?.readings
      const seconds = (performance.now() - started) / 1000
      const bytes = await second.residentBytes()
      await second.end("SIGKILL")
      await rm(folder, { recursive: true })
      if (counted !== readings) throw new Error(`${readings} readings were acknowledged, ${counted} are there`)
      return {
        "ready, s": second.readyMs / 1000,
        "all readings counted, s": seconds,
        "RSS with 10 million readings, MB": bytes / 1e6,
      }
    },
  }
}
