/**
 * I1 over MQTT with a real process: kill -9 at random moments under load. What was acknowledged is in SQL and reached the
 * persistent subscriber: at least once with QoS 1, exactly once with QoS 2.
 */
import { mkdir, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { openBrumeBroker } from "../rig/brume-broker.ts"
import { MqttOracle } from "../rig/mqtt-oracle.ts"
import { sleep, until } from "../rig/node-process.ts"

/** `npm run soak -- mqtt-kill --rounds N` sets it. */
const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 5)
const publishers = [
  ["one-of-4", 4, 1],
  ["one-of-5", 5, 1],
  ["two-of-4", 4, 2],
  ["two-of-5", 5, 2],
] as const

test("kill -9 under load keeps what MQTT acknowledged, QoS 2 exactly once", {
  timeout: 120_000 + rounds * 10_000,
}, async () => {
  // Small limits, so that rotation, sealing, merging and trimming happen between the kills as well.
  const settings = ["store.log.fileBytes=1MiB", "store.tables.sealRows=5000", "store.tables.sealAgeMs=1s"]
  const broker = await openBrumeBroker({ isInsecure: true, args: settings.flatMap((setting) => ["--set", setting]) })
  await using _closing = { [Symbol.asyncDispose]: () => broker.close() }
  const oracle = new MqttOracle(() => broker.port)
  let isOver = false
  let isHeard = false
  const listening = oracle.subscribe("listener", 5, () => isHeard)
  const publishing = publishers.map(([name, version, qos]) => oracle.publish(name, version, qos, () => isOver))
  for (let round = 0; round < rounds; round++) {
    // From the first moments after the start to well after a few seals.
    await sleep(100 + ((round * 379) % 1500))
    await broker.restart()
  }
  isOver = true
  await Promise.all(publishing)
  await until("every acknowledged message at the subscriber", () => oracle.undelivered().length === 0, 60_000).catch(
    // The verdict names them.
    () => {},
  )
  // What comes twice comes soon.
  await sleep(500)
  isHeard = true
  await listening
  const verdict = await oracle.judge(broker.node)
  const good = {
    lost: [],
    doubled: [],
    invented: 0,
    undelivered: [],
    redelivered: [],
    disordered: [],
    forgotten: 0,
    stalled: 0,
  }
  expect(verdict).toMatchObject(good)
  expect(verdict.acknowledged[1]).toBeGreaterThan(rounds * 20)
  expect(verdict.acknowledged[2]).toBeGreaterThan(rounds * 20)

  if (process.env["BRUME_SOAK_ROUNDS"] !== undefined) {
    const results = fileURLToPath(new URL("../../bench/results/", import.meta.url))
    await mkdir(results, { recursive: true })
    const { acknowledged, resent } = verdict
    const content = {
      name: "mqtt-kill",
      measured: new Date().toISOString(),
      rounds,
      acknowledged,
      resent,
      lost: 0,
      doubled: 0,
    }
    await writeFile(`${results}soak-mqtt-kill.json`, `${JSON.stringify(content, null, 2)}\n`)
  }
})
