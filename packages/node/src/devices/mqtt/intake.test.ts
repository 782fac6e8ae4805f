import { FogError, type KeyedRecord } from "@brume/core"
import { SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { MemoryStore } from "../../../../../test/rig/memory-store.ts"
import { Fanout } from "./fanout.ts"
import { type Answered, Intake } from "./intake.ts"
import type { Message } from "./message.ts"
import { Later } from "./session/later.ts"

function openIntake(store = new MemoryStore()) {
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const turns: (() => void)[] = []
  const happened: string[] = []
  const later = new Later({ store, clock, logger })
  const intake = new Intake({
    ...{ store, later, clock, logger },
    soon: (call) => turns.push(call),
    onEnded: () => happened.push("ended"),
    onFlowing: () => happened.push("flowing"),
  })
  const client: Answered = {
    answer: (code, error) => happened.push(error === undefined ? `answer ${code}` : `refuse ${code} ${error.code}`),
  }
  return {
    ...{ store, clock, intake, later, client, happened },
    /** The event loop comes round. */
    turn: () => {
      for (const call of turns.splice(0)) call()
    },
    settle: () => new Promise<void>((resolve) => setImmediate(resolve)),
  }
}

const record = (key: string): KeyedRecord => ({ kind: "session", key, value: new Uint8Array([1]) })

test("nothing is answered before the commit that holds it", async () => {
  const { store, intake, client, happened, turn, settle } = openIntake()
  const letGo = store.hold()
  intake.record(record("a"))
  intake.answer(client, 1)
  turn()
  await settle()
  expect(happened).toEqual([])
  letGo()
  await settle()
  expect(happened).toEqual(["answer 1", "ended"])
})

test("a turn without anything to keep waits for those before it", async () => {
  const { store, intake, client, happened, turn, settle } = openIntake()
  const letGo = store.hold()
  intake.record(record("a"))
  intake.answer(client, 1)
  turn()
  intake.answer(client, 2)
  turn()
  await settle()
  expect(happened).toEqual([])
  letGo()
  await settle()
  expect(happened).toEqual(["answer 1", "answer 2", "ended"])
})

test("everything of one turn is one commit, in its order", async () => {
  const { store, intake, client, happened, turn, settle } = openIntake()
  let appends = 0
  const append = store.append.bind(store)
  store.append = (...given) => {
    appends++
    return append(...given)
  }
  intake.record(record("a"))
  intake.answer(client, 1)
  intake.afterwards(() => happened.push("called"))
  intake.record(record("b"))
  intake.answer(client, 2)
  turn()
  await settle()
  expect(appends).toBe(1)
  expect(happened).toEqual(["answer 1", "called", "answer 2", "ended"])
  expect(store.get("session", "b")).toEqual(new Uint8Array([1]))
})

test("while the store is busy publishers wait, and nothing is lost or answered out of order", async () => {
  const { store, clock, intake, client, happened, turn, settle } = openIntake()
  const append = store.append.bind(store)
  store.append = () => {
    throw new FogError("store_busy", { message: "busy" })
  }
  intake.record(record("a"))
  intake.answer(client, 1)
  turn()
  expect(intake.isStalled).toBe(true)
  intake.answer(client, 2)
  turn()
  await clock.advance(5)
  expect(happened).toEqual([])
  store.append = append
  await clock.advance(5)
  turn()
  await settle()
  expect(intake.isStalled).toBe(false)
  expect(happened.filter((what) => what.startsWith("answer"))).toEqual(["answer 1", "answer 2"])
  expect(happened).toContain("flowing")
})

test("a full store refuses the turn, and what it would have delivered is not", async () => {
  const { store, intake, client, happened, turn, settle } = openIntake()
  store.state = "full"
  const message: Message = {
    topic: "t",
    payload: new Uint8Array(0),
    qos: 0,
    retain: false,
    expiresAt: undefined,
    properties: new Uint8Array(0),
  }
  class Watched extends Fanout {
    override end(error: FogError | undefined): void {
      happened.push(error === undefined ? "delivered" : "withheld")
    }
  }
  intake.record(record("a"))
  intake.deliver(new Watched(message, { matches: [], sender: undefined, targets: [] }, []))
  intake.answer(client, 7)
  turn()
  await settle()
  expect(happened).toEqual(["withheld", "refuse 7 store_full", "ended"])
})

test("records that may wait travel with the next commit, also after a refused one", async () => {
  const { store, intake, later, client, turn, settle } = openIntake()
  store.state = "full"
  later.put(record("late"))
  intake.record(record("a"))
  turn()
  await settle()
  expect(store.get("session", "late")).toBeUndefined()
  store.state = "accepting"
  intake.answer(client, 1)
  intake.record(record("b"))
  turn()
  await settle()
  expect(store.get("session", "late")).toBeDefined()
})

test("the last record of a key counts, whether it could wait or not", async () => {
  const { store, intake, later, turn, settle } = openIntake()
  const gone: KeyedRecord = { kind: "session", key: "k", value: undefined }
  later.put(record("k"))
  intake.record(gone)
  turn()
  await settle()
  expect(store.get("session", "k")).toBeUndefined()
  intake.record(gone)
  later.put(record("k"))
  turn()
  await settle()
  expect(store.get("session", "k")).toBeDefined()
})

test("records that may wait do not make a commit of a turn that needs none", async () => {
  const { store, clock, intake, later, client, happened, turn } = openIntake()
  const letGo = store.hold()
  later.put(record("late"))
  intake.answer(client, 1)
  turn()
  expect(happened).toEqual(["answer 1", "ended"])
  expect(store.get("session", "late")).toBeUndefined()
  clock.advance(50)
  expect(store.get("session", "late")).toBeDefined()
  letGo()
})
