/** How versions come into force, over a store and a disk in memory. */
import { MemoryDisk, nullMetrics, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { fakeRuntimes } from "../../../../test/rig/fake-runtimes.ts"
import { documentOf } from "../../../../test/rig/functions.ts"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { type OpenedFunctions, openFunctions } from "./functions.ts"

class Machine {
  readonly store = new MemoryStore()
  readonly disk = new MemoryDisk()
  readonly logger = new SilentLogger()
  readonly runtimes = fakeRuntimes()

  async start(): Promise<OpenedFunctions> {
    for (const word of ["one", "two", "three"]) this.runtimes.code.set(word, () => word)
    const functions = await openFunctions({
      ...{ store: this.store, disk: this.disk, logger: this.logger, runtimes: this.runtimes },
      ...{ clock: new VirtualClock(), random: new SeededRandom(1), metrics: nullMetrics },
      timetables: { parse: () => "has no meaning" },
    })
    await settled()
    return functions
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
const deploy = (functions: OpenedFunctions, code: string, more: object = {}) =>
  functions.deploy("say", { document: documentOf("say", {}), files: { "bundle.cjs": code }, ...more })
const call = (functions: OpenedFunctions) => functions.invoke({ name: "say", event: null, trigger: "direct" })
const files = async ({ disk }: Machine): Promise<number> => (await disk.list("functions")).length

test("versions and what was accepted survive a restart", async () => {
  const machine = new Machine()
  const first = await machine.start()
  expect(await deploy(first, "one")).toEqual({ name: "say", version: 1, change: "created" })
  expect(await deploy(first, "two")).toEqual({ name: "say", version: 2, change: "changed" })
  expect(await deploy(first, "two")).toEqual({ name: "say", version: 2, change: "unchanged" })
  expect(await first.rollback("say", undefined)).toMatchObject({ version: 1 })
  const second = await machine.start()
  expect(await call(second)).toBe("one")
  expect(second.describe("say").versions.map(({ version }) => version)).toEqual([1, 2])
  // A number is never given twice.
  expect(await deploy(second, "three")).toMatchObject({ version: 3 })
  await expect(second.rollback("say", 7)).rejects.toMatchObject({ code: "function_version_not_found" })
})

test("ten versions are kept, and code that nobody needs is removed", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  for (let n = 0; n < 13; n++) {
    machine.runtimes.code.set(`code ${n}`, () => n)
    await deploy(functions, `code ${n}`)
  }
  expect(functions.describe("say").versions.map(({ version }) => version)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
  expect(await files(machine)).toBe(10)
  await functions.delete("say")
  expect(await files(machine)).toBe(0)
  await expect(call(functions)).rejects.toMatchObject({ code: "function_not_found" })
})

test("one that cannot be loaded leaves nothing behind, and the one before goes on", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  await expect(deploy(functions, "nonsense")).rejects.toMatchObject({
    code: "function_unloadable",
    message: expect.stringContaining("main.ts:3:1"),
  })
  expect([functions.list(), await files(machine)]).toEqual([[], 0])
  await deploy(functions, "one")
  await expect(deploy(functions, "nonsense")).rejects.toMatchObject({ code: "function_unloadable" })
  expect([await call(functions), functions.describe("say").version, await files(machine)]).toEqual(["one", 1, 1])
  expect([...machine.runtimes.open]).toEqual(["say@1"])
})

test("without a sandbox it is refused with the remedy, until an admin has accepted that once", async () => {
  const machine = new Machine()
  machine.runtimes.sandbox = "unsandboxed"
  const functions = await machine.start()
  await expect(deploy(functions, "one")).rejects.toMatchObject({
    code: "function_unsandboxed",
    hint: expect.stringMatching(/Ask the test\..*--accept-unsandboxed/),
  })
  await deploy(functions, "one", { acceptUnsandboxed: true })
  await deploy(functions, "two")
  expect(functions.describe("say")).not.toHaveProperty("sandbox")
  // Taken back, it does not start.
  await expect(deploy(functions, "three", { acceptUnsandboxed: false })).rejects.toMatchObject({
    code: "function_unsandboxed",
  })
})

test("a machine that lost its sandbox starts nothing in it, and says so", async () => {
  const machine = new Machine()
  await deploy(await machine.start(), "one")
  machine.runtimes.sandbox = "unsandboxed"
  const functions = await machine.start()
  expect(functions.describe("say")).toMatchObject({ state: "failed", reason: expect.stringContaining("apart") })
  await expect(call(functions)).rejects.toMatchObject({ code: "function_unsandboxed" })
})

test("code that is damaged or missing is told, and can be deployed again", async () => {
  const machine = new Machine()
  await deploy(await machine.start(), "one")
  const [name] = await machine.disk.list("functions")
  await machine.disk.replace(`functions/${name}`, Buffer.from('{"bundle.cjs":"two"}'))
  const functions = await machine.start()
  expect(functions.describe("say")).toMatchObject({ state: "failed", reason: expect.stringContaining("damaged") })
  await expect(call(functions)).rejects.toMatchObject({ code: "store_damaged" })
  expect(await deploy(functions, "two")).toMatchObject({ version: 2 })
  expect(await call(functions)).toBe("two")
  expect(machine.logger.messages("error")).toHaveLength(1)
})

test("deployed again, what rests or could not be started is tried anew", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  await deploy(functions, "one")
  machine.runtimes.state = "parked"
  await expect(call(functions)).rejects.toMatchObject({ code: "function_parked" })
  expect(functions.describe("say").state).toBe("parked")
  expect(await deploy(functions, "one")).toMatchObject({ version: 1, change: "unchanged" })
  expect(await call(functions)).toBe("one")
  machine.runtimes.sandbox = "unsandboxed"
  const later = await machine.start()
  expect(later.describe("say").state).toBe("failed")
  machine.runtimes.sandbox = "bubblewrap"
  await deploy(later, "one")
  expect([await call(later), later.describe("say").state]).toEqual(["one", "ready"])
})

test("changes of one function come one after the other", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  const made = await Promise.all(["one", "two", "three"].map((code) => deploy(functions, code)))
  expect(made.map(({ version }) => version)).toEqual([1, 2, 3])
  expect(await call(functions)).toBe("three")
  expect([...machine.runtimes.open]).toEqual(["say@3"])
})

test("a version that is not durable is not in force", async () => {
  const machine = new Machine()
  const functions = await machine.start()
  await deploy(functions, "one")
  const release = machine.store.hold()
  const deploying = deploy(functions, "two")
  await settled()
  expect(await call(functions)).toBe("one")
  release(new Error("the disk is gone"))
  await expect(deploying).rejects.toThrow("the disk is gone")
  expect([await call(functions), functions.describe("say").version]).toEqual(["one", 1])
  expect([...machine.runtimes.open]).toEqual(["say@1"])
})
