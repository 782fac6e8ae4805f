/** Calls that come before the function is loaded, as they do when a node has just started. */
import { FogError } from "@brume/core"
import { VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { fakeRuntimes } from "../../../../test/rig/fake-runtimes.ts"
import { DeployedFunction } from "./deployed-function.ts"
import type { PoolOptions } from "./runtimes/pool.ts"
import type { StoredFunction } from "./table.ts"

const stored: StoredFunction = {
  ...{ name: "drift", current: 1, newest: 1, acceptsUnsandboxed: false },
  versions: [{ version: 1 } as StoredFunction["versions"][number]],
}

function loading() {
  const clock = new VirtualClock()
  const fn = new DeployedFunction({ stored, clock, onCall: () => {}, onReady: () => {} })
  const runtimes = fakeRuntimes()
  runtimes.code.set("code", ({ event }) => event)
  const pool = runtimes.openPool({
    ...{ name: "drift", version: 1, code: { files: { "bundle.cjs": "code" } } },
  } as unknown as PoolOptions)
  const call = (deadlineMs?: number) => fn.call("it", { trigger: "rule", key: "k", deadlineMs })
  return { clock, fn, pool, call }
}

test("calls wait for a function that is being loaded", async () => {
  const { clock, fn, pool, call } = loading()
  const calls = [call(), call(60_000)]
  await clock.advance(5_000)
  expect(fn.info({ waiting: 0, deadLetters: 0, dropped: 0 })).toMatchObject({ state: "loading", calls: 0 })
  fn.use(stored, pool)
  expect(await Promise.all(calls)).toEqual(["it", "it"])
})

test("they learn why it cannot be loaded", async () => {
  const { fn, call } = loading()
  const waiting = call()
  fn.fail(new FogError("runtime_missing", { message: "there is no Python" }))
  await expect(waiting).rejects.toMatchObject({ code: "runtime_missing" })
})

test("they wait no longer than their deadline", async () => {
  const { clock, fn, pool, call } = loading()
  const ended = expect(call(1_000)).rejects.toMatchObject({ code: "functions_busy" })
  await clock.advance(1_000)
  await ended
  fn.use(stored, pool)
  expect(await call()).toBe("it")
})

test("they end where it is closed", async () => {
  const { fn, call } = loading()
  const waiting = call()
  await fn.close(0)
  await expect(waiting).rejects.toMatchObject({ code: "function_not_found" })
})
