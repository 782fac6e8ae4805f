import { isFogError, type KeyedRecord, type Twin } from "@brume/core"
import { SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { Devices } from "../../../../../test/rig/command-rig.ts"
import { MemoryStore } from "../../../../../test/rig/memory-store.ts"
import { openTwins } from "./twins.ts"

function rig(maxTwins?: number) {
  const clock = new VirtualClock()
  const store = new MemoryStore()
  const logger = new SilentLogger()
  const devices = new Devices(clock)
  const open = () => {
    const twins = openTwins({ store, clock, logger, ...(maxTwins === undefined ? {} : { maxTwins }) })
    twins.begin(devices)
    return twins
  }
  const opened = {
    ...{ clock, store, logger, devices, twins: open() },
    restart: () => {
      opened.twins = open()
    },
    /** Takes a report, and hands its records over when it is called. */
    take(device: string, said: unknown) {
      const topic = `devices/${device}/reported`
      const text = typeof said === "string" ? said : JSON.stringify(said)
      const message = {
        ...({ topic, payload: Buffer.from(text), qos: 1, retain: false, expiresAt: undefined } as const),
        properties: new Uint8Array(0),
      }
      return opened.twins.reports.on(topic)?.(message)
    },
    async report(device: string, said: unknown): Promise<boolean> {
      const taken = opened.take(device, said)
      if (taken === undefined) return false
      await store.put(taken.records as readonly KeyedRecord[]).durable
      taken.end(undefined)
      return true
    },
  }
  return opened
}

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => {
  const error = await promise.catch((reason: unknown) => reason)
  return isFogError(error) ? error.code : undefined
}

test("what is desired is durable, retained for the device, and differs until it is reported", async () => {
  const { twins, store, devices, clock, report } = rig()
  const told: Twin[] = []
  twins.onChange((twin) => told.push(twin))
  const release = store.hold()
  const setting = twins.set("hall/fan", { desired: { speed: 3, mode: { night: true } } })
  await clock.run(0)
  expect(await codeOf(Promise.resolve().then(() => twins.get("hall/fan")))).toBe("twin_not_found")
  expect([devices.heard, told]).toEqual([[], []])
  release()
  const twin = await setting
  expect(twin).toEqual({
    device: "hall/fan",
    desired: { version: 1, values: { speed: 3, mode: { night: true } }, time: clock.now() },
    reported: { version: 0, values: {}, time: 0 },
    delta: { speed: 3, mode: { night: true } },
  })
  expect(devices.heard).toMatchObject([{ topic: "devices/hall/fan/desired", qos: 1, retain: true }])
  expect(devices.envelopes()).toEqual([{ speed: 3, mode: { night: true }, $version: 1 }])
  await report("hall/fan", { speed: 3, mode: { night: false }, temperature: 20, $version: 1 })
  expect(twins.get("hall/fan")).toMatchObject({
    reported: { version: 1, values: { speed: 3, mode: { night: false }, temperature: 20 } },
    delta: { mode: { night: true } },
  })
  await report("hall/fan", { mode: { night: true } })
  expect(twins.get("hall/fan").delta).toEqual({})
  expect(told.map(({ desired, reported }) => [desired.version, reported.version])).toEqual([
    [1, 0],
    [1, 1],
    [1, 2],
  ])
})

test("twins are the same after a restart", async () => {
  const one = rig()
  await one.twins.set("a", { desired: { x: 1 } })
  await one.report("a", { x: 2 })
  await one.report("b", { y: 2 })
  const before = [one.twins.get("a"), one.twins.get("b")]
  one.restart()
  expect([one.twins.get("a"), one.twins.get("b")]).toEqual(before)
})

test("null removes a member, and what changes nothing makes no version", async () => {
  const { twins, devices, report } = rig()
  await twins.set("a", { desired: { x: 1, y: { z: 2, w: 3 } } })
  expect((await twins.set("a", { desired: { x: null, y: { z: null } } })).desired).toMatchObject({
    version: 2,
    values: { y: { w: 3 } },
  })
  expect((await twins.set("a", { desired: { y: { w: 3 } } })).desired.version).toBe(2)
  expect(devices.heard).toHaveLength(2)
  expect(await report("a", { q: null })).toBe(false)
})

test("a version that was named must be in force", async () => {
  const { twins } = rig()
  await twins.set("a", { desired: { x: 1 }, ifVersion: 0 })
  expect(await codeOf(twins.set("a", { desired: { x: 2 }, ifVersion: 0 }))).toBe("twin_conflict")
  expect((await twins.set("a", { desired: { x: 2 }, ifVersion: 1 })).desired.version).toBe(2)
})

test("a change that the log refuses takes nothing of others with it", async () => {
  const { twins, store, take } = rig()
  const release = store.hold()
  const first = twins.set("a", { desired: { x: 1 } })
  const put = store.put.bind(store)
  store.put = () => {
    throw new Error("busy")
  }
  await expect(twins.set("a", { desired: { y: 1 } })).rejects.toThrow("busy")
  store.put = put
  const third = twins.set("a", { desired: { z: 1 } })
  release()
  expect((await first).desired.values).toMatchObject({ x: 1 })
  expect((await third).desired).toMatchObject({ version: 2, values: { x: 1, z: 1 } })
  const [one, two] = [take("a", { p: 1 }), take("a", { q: 1 })]
  two?.end(Object.assign(new Error("full")) as never)
  const three = take("a", { r: 1 })
  one?.end(undefined)
  three?.end(undefined)
  expect(twins.get("a").reported.values).toEqual({ p: 1, r: 1 })
})

test("a change that is the same as one on its way waits for it", async () => {
  const { twins, store, clock } = rig()
  const release = store.hold()
  const first = twins.set("a", { desired: { x: 1 } })
  let isOver = false
  const second = twins.set("a", { desired: { x: 1 } }).then((twin) => {
    isOver = true
    return twin
  })
  await clock.run(0)
  expect(isOver).toBe(false)
  release()
  expect(await second).toEqual(await first)
})

test("what cannot be a twin is refused or left out, and takes no place", async () => {
  const { twins, report, take, logger } = rig(2)
  const deep = JSON.parse(`${'{"a":'.repeat(20)}1${"}".repeat(20)}`)
  for (const patch of [deep, { $version: 1 }, { text: "x".repeat(40_000) }])
    expect(await codeOf(twins.set("a", { desired: patch }))).toBe("twin_invalid")
  expect(await codeOf(twins.set("a/+", { desired: { x: 1 } }))).toBe("twin_invalid")
  for (const said of ["", "1", "[1]", "{", "x".repeat(40_000), deep]) expect(await report("a", said)).toBe(false)
  expect(logger.messages("warn").length).toBe(5)
  await report("a", { x: 1 })
  await report("b", { x: 1 })
  expect(await report("c", { x: 1 })).toBe(false)
  expect(await codeOf(twins.set("c", { desired: { x: 1 } }))).toBe("twin_invalid")
  expect(take("a/commands/b", { x: 1 })).toBeUndefined()
})

test("a report may not change what objects are made of", async () => {
  const { twins, report } = rig()
  await report("a", '{"__proto__":{"polluted":1},"constructor":{"x":1}}')
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
  expect(Object.keys(twins.get("a").reported.values)).toEqual(["__proto__", "constructor"])
})
