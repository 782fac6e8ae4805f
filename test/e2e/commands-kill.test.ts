/**
 * I2 with a real process: kill -9 at random moments while commands are sent, delivered, accepted and answered. Each leaves at
 * most as often as it may, each ends, nobody is told two different outcomes, and what a device was acknowledged counts.
 */
import { mkdir, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { openBrumeBroker } from "../rig/brume-broker.ts"
import { CommandOracle } from "../rig/command-oracle.ts"
import { sleep, until } from "../rig/node-process.ts"

/** `npm run soak -- commands-kill --rounds N` sets it. */
const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 5)
const deadlineMs = 1_500

test("kill -9 leaves no command without an outcome, and none with two", {
  timeout: 120_000 + rounds * 10_000,
}, async () => {
  // Small limits, so that rotation, snapshots and trimming happen between the kills as well.
  const settings = ["store.log.fileBytes=1MiB", "store.tables.sealRows=5000", "store.tables.sealAgeMs=1s"]
  const broker = await openBrumeBroker({ isInsecure: true, args: settings.flatMap((setting) => ["--set", setting]) })
  await using _closing = { [Symbol.asyncDispose]: () => broker.close() }
  const oracle = new CommandOracle(() => broker.node)
  const devices = [oracle.open("two-of-5", broker.port, 5, 2), oracle.open("one-of-4", broker.port, 4, 1)]
  let isOver = false
  const senders = ["two-of-5", "one-of-4", "nobody"].flatMap((device) => [
    oracle.send(device, { deadlineMs, retries: 0 }, () => isOver),
    oracle.send(device, { deadlineMs, retries: 2 }, () => isOver),
  ])
  for (let round = 0; round < rounds; round++) {
    await sleep(150 + ((round * 379) % 1_700))
    await broker.restart()
  }
  await sleep(500)
  isOver = true
  await Promise.all(senders)
  await sleep(deadlineMs)
  await until("every command has ended", async () => {
    const answer = await broker.node.request("/v1/commands?state=pending")
    return ((await answer.json()) as { commands: unknown[] }).commands.length === 0
  })
  const verdict = await oracle.judge()
  await Promise.all(devices.map((device) => device.end()))
  const { sent, states, ...faults } = verdict
  expect(faults).toEqual({
    ...{ doubledKeys: [], tooOften: [], open: [], contradicted: [], unheard: [], falselyFailed: [], invented: [] },
  })
  expect(sent).toBeGreaterThan(rounds * 10)
  expect(Object.keys(states).sort()).toEqual(["done", "failed", "in-doubt"])

  if (process.env["BRUME_SOAK_ROUNDS"] !== undefined) {
    const results = fileURLToPath(new URL("../../bench/results/", import.meta.url))
    await mkdir(results, { recursive: true })
    const content = { name: "commands-kill", measured: new Date().toISOString(), rounds, sent, states, faults: 0 }
    await writeFile(`${results}soak-commands-kill.json`, `${JSON.stringify(content, null, 2)}\n`)
  }
})
