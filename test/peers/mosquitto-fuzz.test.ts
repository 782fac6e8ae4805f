/** The fuzzer against a broker that stands: it keeps the fuzzer honest. */
import { fuzzMqtt } from "@brume/testkit"
import { expect, test } from "vitest"
import { findMosquitto, openMosquitto } from "../rig/mosquitto.ts"

test("mosquitto stands the fuzzer", { timeout: 120_000 }, async ({ skip }) => {
  if (findMosquitto() === undefined) skip("mosquitto is not installed")
  const broker = await openMosquitto()
  await using _closing = { [Symbol.asyncDispose]: () => broker.close() }
  const report = await fuzzMqtt({ ...broker, packets: 20_000, seed: 1 })
  expect(report.fault).toBeUndefined()
  expect(report.roundTrips).toBeGreaterThan(10)
})
