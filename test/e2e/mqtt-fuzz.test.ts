/** I6 over MQTT: whatever clients send, the node stays, serves the others, and keeps no memory for it. */
import { mkdir, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { fuzzMqtt } from "@brume/testkit"
import { expect, test } from "vitest"
import { openBrumeBroker } from "../rig/brume-broker.ts"

/** `npm run soak -- mqtt-fuzz --packets N --seed N` sets them. */
const packets = Number(process.env["BRUME_SOAK_PACKETS"] ?? 60_000)
const seed = Number(process.env["BRUME_SOAK_SEED"] ?? 1)

/** Twice what the queues below may hold, and room for a runtime that gives memory back late. */
const growthLimitBytes = 256 * 2 ** 20

test("a node stands the fuzzer and serves a healthy client beside it", {
  timeout: 120_000 + packets * 2,
}, async () => {
  // Queues that are full soon, so that their limits are met and not only approached.
  const settings = ["mqtt.maxQueuedBytes=1MiB", "mqtt.maxQueuedBytesTotal=16MiB", "mqtt.maxRetainedBytes=4MiB"]
  const broker = await openBrumeBroker({ isInsecure: true, args: settings.flatMap((setting) => ["--set", setting]) })
  await using _closing = { [Symbol.asyncDispose]: () => broker.close() }
  const report = await fuzzMqtt({ port: broker.port, pid: broker.pid, packets, seed })
  expect(report.fault, broker.node.log().slice(-2_000)).toBeUndefined()
  expect(report.roundTrips).toBeGreaterThan(10)
  expect(report.rssBytes.end - report.rssBytes.early).toBeLessThan(growthLimitBytes)
  expect(await broker.node.end("SIGTERM")).toBe(0)

  if (process.env["BRUME_SOAK_PACKETS"] !== undefined) {
    const results = fileURLToPath(new URL("../../bench/results/", import.meta.url))
    await mkdir(results, { recursive: true })
    const content = { name: "mqtt-fuzz", measured: new Date().toISOString(), ...report }
    await writeFile(`${results}soak-mqtt-fuzz.json`, `${JSON.stringify(content, null, 2)}\n`)
  }
})
