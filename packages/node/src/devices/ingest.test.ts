import {
  type Appended,
  FogError,
  isFogError,
  type KeyedKind,
  type KeyedRecord,
  type Principal,
  type ReadingBatch,
  type StoreStats,
} from "@brume/core"
import { MemoryDisk, nullMetrics, SilentLogger, simulatedAmbient, VirtualClock } from "@brume/testkit"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { openLog } from "../store/log/log.ts"
import { createIngest, type Ingest, type IngestOptions } from "./ingest.ts"

/** A log in memory: commits are written when the test says so, and only those survive a restart. */
class MemoryStore {
  readonly node = "gw-1"
  readonly epoch = "00000000000000aa"
  readonly written: { readonly batch: ReadingBatch; readonly seq: number }[] = []
  readonly keyed = new Map<string, Uint8Array>()
  /** What survives: the state of `keyed` after each written commit. */
  durableKeyed = new Map<string, Uint8Array>()
  /** Throws at append. */
  refuses: FogError | undefined
  /** Commits wait for {@link write} instead of being written at once. */
  isHeld = false
  #nextSeq = 1
  #waiting: { write: () => void; fail: (error: FogError) => void }[] = []

  stats(): StoreStats {
    return { nextSeq: this.#nextSeq } as StoreStats
  }

  append(batch: ReadingBatch, records: readonly KeyedRecord[] = []): Appended {
    if (this.refuses !== undefined) throw this.refuses
    const seq = this.#nextSeq
    this.#nextSeq += batch.length + records.length
    apply(this.keyed, records)
    const durable = new Promise<void>((resolve, reject) => {
      const write = (): void => {
        apply(this.durableKeyed, records)
        this.written.push({ batch, seq })
        resolve()
      }
      if (this.isHeld) this.#waiting.push({ write, fail: reject })
      else write()
    })
    return { seq, durable }
  }

  get(_kind: KeyedKind, key: string): Uint8Array | undefined {
    return this.keyed.get(key)
  }

  entries(kind: KeyedKind): IterableIterator<[key: string, value: Uint8Array]> {
    expect(kind).toBe("effect")
    return this.keyed.entries()
  }

  write(): void {
    for (const { write } of this.#waiting.splice(0)) write()
  }

  fail(error: FogError): void {
    for (const { fail } of this.#waiting.splice(0)) fail(error)
  }

  /** What a restarted node would find. */
  restarted(): MemoryStore {
    const next = new MemoryStore()
    next.durableKeyed = new Map(this.durableKeyed)
    for (const [key, value] of this.durableKeyed) next.keyed.set(key, value)
    next.#nextSeq = this.#nextSeq
    return next
  }

  get readingCount(): number {
    return this.written.reduce((sum, { batch }) => sum + batch.length, 0)
  }
}

function apply(state: Map<string, Uint8Array>, records: readonly KeyedRecord[]): void {
  for (const { key, value } of records) {
    if (value === undefined) state.delete(key)
    else state.set(key, value)
  }
}

interface Rig {
  readonly store: MemoryStore
  readonly clock: VirtualClock
  readonly ingest: Ingest
}

function rig(options: Partial<IngestOptions> = {}, store = new MemoryStore(), clock = new VirtualClock()): Rig {
  const ingest = createIngest({ store, clock, logger: new SilentLogger(), metrics: nullMetrics, ...options })
  return { store, clock, ingest }
}

const anyone: Principal = { tokenId: "t1", name: "writer", scopes: ["write"], devices: undefined }
const body = (value: unknown): Uint8Array => Buffer.from(JSON.stringify({ device: "d", property: "p", value }))
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => (isFogError(error) ? error.code : String(error)),
  )

describe("storing", () => {
  test("resolves when the readings are durable, with their number and place in the log", async () => {
    const { store, ingest } = rig()
    store.isHeld = true
    let isStored = false
    const stored = ingest.readings(body(1), "json", { principal: anyone })
    const noted = stored.then(() => {
      isStored = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isStored).toBe(false)
    store.write()
    await noted
    expect(await stored).toEqual({ accepted: 1, seq: 1, epoch: store.epoch })
    store.isHeld = false
    const pack = Buffer.from('[{"n":"d","v":1},{"n":"d","v":2}]')
    expect(await ingest.readings(pack, "senml", {})).toEqual({ accepted: 2, seq: 2, epoch: store.epoch })
    const lines = Buffer.concat([body(1), Buffer.from("\n"), body(2)])
    expect(await ingest.readings(lines, "ndjson", {})).toEqual({ accepted: 2, seq: 4, epoch: store.epoch })
  })

  test("rejects with what the store and the parsers throw", async () => {
    const { store, ingest } = rig()
    expect(await codeOf(ingest.readings(body(null), "json", {}))).toBe("readings_invalid")
    store.refuses = new FogError("store_full", { message: "full" })
    expect(await codeOf(ingest.readings(body(1), "json", {}))).toBe("store_full")
    expect(await codeOf(ingest.lines(Buffer.from("m v=1"), "ns", {}))).toBe("store_full")
    store.refuses = undefined
    store.isHeld = true
    const lost = codeOf(ingest.readings(body(1), "json", {}))
    store.fail(new FogError("store_closed", { message: "closed" }))
    expect(await lost).toBe("store_closed")
    expect(store.readingCount).toBe(0)
  })

  test("stores the good lines and says why the others were refused", async () => {
    const { store, ingest } = rig()
    const stored = await ingest.lines(Buffer.from("m v=1 1\nwrong\nm v=2 2\n"), "s", {})
    expect(stored).toMatchObject({ accepted: 2, seq: 1, refused: 1 })
    expect(stored.error?.message).toContain("line 2 has no fields")
    expect([...store.written[0]!.batch.time.subarray(0, 2)]).toEqual([1_000_000, 2_000_000])
  })

  test("stores nothing of a payload without a good line", async () => {
    const { store, ingest } = rig()
    expect(await ingest.lines(Buffer.from("# nothing\n"), "ns", {})).toMatchObject({ accepted: 0, refused: 0 })
    expect(await ingest.lines(Buffer.from("wrong\n"), "ns", { idempotencyKey: "k" })).toMatchObject({
      accepted: 0,
      refused: 1,
    })
    expect(store.stats().nextSeq).toBe(1)
  })

  test("uses the configured device tags and limits", async () => {
    const { store, ingest } = rig({ deviceTags: ["sensor"] })
    await ingest.lines(Buffer.from("m,host=h,sensor=s v=1"), "ns", {})
    expect(store.written[0]!.batch.series[0]!.device).toBe("s")
  })
})

describe("principals limited to devices", () => {
  const limited: Principal = { ...anyone, devices: ["cold/+", "d"] }

  test("write their devices", async () => {
    const { store, ingest } = rig()
    await ingest.readings(body(1), "json", { principal: limited })
    await ingest.lines(Buffer.from("m,device=cold/1 v=1\nm,device=cold/2 v=1"), "ns", { principal: limited })
    expect(store.readingCount).toBe(3)
  })

  test("are refused a request with any reading of another device, which is named", async () => {
    const { store, ingest } = rig()
    for (let round = 0; round < 2; round++) {
      const refused = ingest.lines(Buffer.from("m,device=cold/1 v=1\nm,device=warm/1 v=1"), "ns", {
        principal: limited,
      })
      await expect(refused).rejects.toMatchObject({ code: "forbidden", message: expect.stringContaining('"warm/1"') })
    }
    expect(store.stats().nextSeq).toBe(1)
  })

  test("are told apart by their filters, not by their token", async () => {
    const { ingest } = rig()
    const lines = Buffer.from("m,device=cold/1 v=1")
    expect(await codeOf(ingest.lines(lines, "ns", { principal: limited }))).toBe("no error")
    expect(await codeOf(ingest.lines(lines, "ns", { principal: { ...limited, devices: ["warm/+"] } }))).toBe(
      "forbidden",
    )
    expect(await codeOf(ingest.lines(lines, "ns", { principal: { ...limited } }))).toBe("no error")
  })
})

describe("an idempotency key", () => {
  const sender = { principal: anyone, idempotencyKey: "order-1" }

  test("makes a repetition return the first outcome without storing anything", async () => {
    const { store, ingest } = rig()
    const first = await ingest.readings(body(1), "json", sender)
    expect(first).toEqual({ accepted: 1, seq: 1, epoch: store.epoch })
    await ingest.readings(body(2), "json", {})
    expect(await ingest.readings(body(1), "json", sender)).toEqual({ ...first, replayed: true })
    expect(store.readingCount).toBe(2)
  })

  test("with another payload, or the same bytes in another format, is a conflict", async () => {
    const { store, ingest } = rig()
    await ingest.readings(body(1), "json", sender)
    const conflict = ingest.readings(body(2), "json", sender)
    await expect(conflict).rejects.toMatchObject({
      code: "idempotency_conflict",
      message: expect.stringContaining('"order-1"'),
    })
    expect(await codeOf(ingest.readings(body(1), "ndjson", sender))).toBe("idempotency_conflict")
    expect(store.readingCount).toBe(1)
  })

  test("holds a repetition back until the first is durable", async () => {
    const { store, ingest } = rig()
    store.isHeld = true
    const both = [ingest.readings(body(1), "json", sender), ingest.readings(body(1), "json", sender)]
    expect(await codeOf(ingest.readings(body(2), "json", sender))).toBe("idempotency_conflict")
    store.write()
    expect((await Promise.all(both)).map((stored) => [stored.seq, stored.replayed])).toEqual([
      [1, undefined],
      [1, true],
    ])
    expect(store.readingCount).toBe(1)
  })

  test("lets a repetition go ahead when the first has failed", async () => {
    const { store, ingest } = rig()
    store.isHeld = true
    const attempts = Array.from({ length: 4 }, () => codeOf(ingest.readings(body(1), "json", sender)))
    store.fail(new FogError("store_full", { message: "full" }))
    await new Promise((resolve) => setImmediate(resolve))
    store.write()
    expect((await Promise.all(attempts)).toSorted()).toEqual(["no error", "no error", "no error", "store_full"])
    expect(store.readingCount).toBe(1)
    store.isHeld = false
    store.refuses = new FogError("store_full", { message: "full" })
    const other = { ...sender, idempotencyKey: "order-2" }
    expect(await codeOf(ingest.readings(body(1), "json", other))).toBe("store_full")
    store.refuses = undefined
    expect(await ingest.readings(body(1), "json", other)).not.toHaveProperty("replayed")
  })

  test("waits for a busy store, and is refused when that lasts", async () => {
    const { store, clock, ingest } = rig()
    store.refuses = new FogError("store_busy", { message: "busy" })
    const waiting = ingest.readings(body(1), "json", sender)
    await clock.run(1_000)
    store.refuses = undefined
    await clock.run(10)
    expect(await waiting).toMatchObject({ accepted: 1, seq: 1 })
    store.refuses = new FogError("store_busy", { message: "busy" })
    const refused = codeOf(ingest.readings(body(2), "json", { ...sender, idempotencyKey: "order-2" }))
    await clock.run(6_000)
    expect(await refused).toBe("store_busy")
    expect(store.readingCount).toBe(1)
  })

  test("belongs to its token", async () => {
    const { store, ingest } = rig()
    const other = { ...sender, principal: { ...anyone, tokenId: "t2" } }
    await ingest.readings(body(1), "json", sender)
    expect(await ingest.readings(body(2), "json", other)).not.toHaveProperty("replayed")
    expect(store.readingCount).toBe(2)
  })

  test("is remembered over a restart, if its readings are, and only then", async () => {
    const { store, clock, ingest } = rig()
    await ingest.readings(body(1), "json", sender)
    store.isHeld = true
    void ingest.readings(body(1), "json", { ...sender, idempotencyKey: "torn" })
    const next = rig({}, store.restarted(), clock)
    expect(await next.ingest.readings(body(1), "json", sender)).toMatchObject({ seq: 1, replayed: true })
    expect(await codeOf(next.ingest.readings(body(2), "json", sender))).toBe("idempotency_conflict")
    expect(await next.ingest.readings(body(1), "json", { ...sender, idempotencyKey: "torn" })).not.toHaveProperty(
      "replayed",
    )
  })

  test("names the place that the real log gives, also after a restart", async () => {
    const ambient = simulatedAmbient()
    const limits = { fileBytes: 4_096, maxDelayMs: 0, maxPendingBytes: 1 << 20, minFreeBytes: 0 }
    const options = { ...ambient, ...limits, disk: new MemoryDisk(), node: "gw-1" }
    const open = async () => {
      const log = await openLog(options)
      const { epoch } = log
      const [append, get, entries] = [log.append.bind(log), log.get.bind(log), log.entries.bind(log)]
      const store = { epoch, append, get, entries, stats: () => ({ nextSeq: log.nextSeq }) as StoreStats }
      return { log, ingest: createIngest({ ...ambient, store }) }
    }
    const first = await open()
    const answers = await Promise.all(
      [1, 2, 3].map((value) =>
        first.ingest.readings(body(value), "json", { principal: anyone, idempotencyKey: `k${value}` }),
      ),
    )
    await first.log.close()
    const second = await open()
    for (const [index, answer] of answers.entries()) {
      const key = `k${index + 1}`
      const again = await second.ingest.readings(body(index + 1), "json", { principal: anyone, idempotencyKey: key })
      expect(again).toEqual({ ...answer, replayed: true })
      const found: unknown[] = []
      await second.log.replay(answer.seq, (batch, seq) => {
        found.push([seq, batch.value[0]])
      })
      expect(found[0]).toEqual([answer.seq, index + 1])
    }
    await second.log.close()
  })

  test("is forgotten after its window, and its record is removed with a later one", async () => {
    const { store, clock, ingest } = rig({ idempotency: { windowMs: 1_000, maxKeys: 100 } })
    await ingest.readings(body(1), "json", sender)
    clock.advance(999)
    expect(await ingest.readings(body(1), "json", sender)).toMatchObject({ replayed: true })
    clock.advance(1)
    expect(await ingest.readings(body(2), "json", sender)).not.toHaveProperty("replayed")
    clock.advance(1_000)
    await ingest.readings(body(1), "json", { ...sender, idempotencyKey: "later" })
    expect([...store.keyed.keys()]).toEqual(["idempotency/t1/later"])
  })

  test("makes room for younger ones, the oldest first, also after a restart", async () => {
    const limits = { idempotency: { windowMs: 1e9, maxKeys: 3 } }
    const { store, clock, ingest } = rig(limits)
    const keys = (from: MemoryStore): string[] =>
      [...from.keyed.keys()].map((key) => key.slice("idempotency/t1/".length))
    for (const key of ["a", "b", "c", "d"]) {
      clock.advance(1)
      await ingest.readings(body(1), "json", { ...sender, idempotencyKey: key })
    }
    expect(keys(store)).toEqual(["b", "c", "d"])
    const next = rig(limits, store.restarted(), clock)
    await next.ingest.readings(body(1), "json", { ...sender, idempotencyKey: "e" })
    expect(keys(next.store).toSorted()).toEqual(["c", "d", "e"])
  })

  test("removes a bounded number of old ones at once", async () => {
    const { store, clock, ingest } = rig({ idempotency: { windowMs: 1_000, maxKeys: 100 } })
    for (let index = 0; index < 30; index++)
      await ingest.readings(body(1), "json", { ...sender, idempotencyKey: `k${index}` })
    clock.advance(1_000)
    await ingest.readings(body(1), "json", { ...sender, idempotencyKey: "x" })
    expect(store.keyed.size).toBe(30 - 8 + 1)
  })

  test("that is malformed is refused", async () => {
    const { ingest } = rig()
    for (const key of ["", "x".repeat(256), "a\nb", "é"])
      expect(await codeOf(ingest.readings(body(1), "json", { ...sender, idempotencyKey: key }))).toBe("request_invalid")
    for (const key of ["x".repeat(255), "../t2/a b"])
      expect(await codeOf(ingest.readings(body(1), "json", { ...sender, idempotencyKey: key }))).toBe("no error")
  })

  test("with a damaged record is forgotten, and the log says so", async () => {
    const store = new MemoryStore()
    for (const [key, value] of [
      ["idempotency/t1/a", "{"],
      ["idempotency/t1/b", '{"hash":1}'],
      ["other/kind", "anything"],
    ])
      store.keyed.set(key!, Buffer.from(value!))
    const logger = new SilentLogger()
    const { ingest } = rig({ logger }, store)
    expect(logger.entries.filter(({ level }) => level === "warn")).toHaveLength(2)
    expect(await ingest.readings(body(1), "json", { ...sender, idempotencyKey: "a" })).not.toHaveProperty("replayed")
    expect(store.keyed.has("other/kind")).toBe(true)
  })

  test("counts every payload once, whatever fails, restarts, repeats or comes together", async () => {
    const step = fc.record({
      key: fc.constantFrom("a", "b", "c"),
      value: fc.constantFrom(1, 2),
      next: fc.constantFrom("write", "fail", "wait", "restart", "later"),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const limits = { idempotency: { windowMs: 1e6, maxKeys: 2 } }
        let { store, clock, ingest } = rig(limits)
        const acknowledged: { key: string; value: number; seq: number }[] = []
        const written: MemoryStore["written"] = []
        const running: Promise<unknown>[] = []
        for (const { key, value, next } of steps) {
          store.isHeld = true
          running.push(
            ingest.readings(body(value), "json", { principal: anyone, idempotencyKey: key }).then(
              ({ seq }) => acknowledged.push({ key, value, seq }),
              (error: unknown) => {
                if (!isFogError(error)) throw error
              },
            ),
          )
          if (next === "write") store.write()
          if (next === "fail") store.fail(new FogError("store_full", { message: "full" }))
          if (next === "later") clock.advance(1e6)
          if (next === "restart") {
            written.push(...store.written)
            ;({ store, ingest } = rig(limits, store.restarted(), clock))
          }
          await new Promise((resolve) => setImmediate(resolve))
        }
        for (let turn = 0; turn < steps.length + 1; turn++) {
          store.write()
          await new Promise((resolve) => setImmediate(resolve))
        }
        written.push(...store.written)
        // Whoever was told a place in the log finds the own value there, and no place was written twice.
        const valueAt = new Map(written.map(({ batch, seq }) => [seq, batch.value[0]]))
        expect(valueAt.size).toBe(written.length)
        for (const { seq, value } of acknowledged) expect(valueAt.get(seq)).toBe(value)
      }),
      { numRuns: process.env.BRUME_LONG === "1" ? 5_000 : 150 },
    )
  })
})
