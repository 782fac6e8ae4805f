import { expect, test } from "vitest"
import type { Message } from "../message.ts"
import { type Delivery, packetIdOf } from "./delivery.ts"
import { type Consumer, Session } from "./session.ts"

const message: Message = {
  topic: "a",
  payload: new Uint8Array(8),
  qos: 2,
  retain: false,
  expiresAt: undefined,
  properties: new Uint8Array(0),
}

class Recorder implements Consumer {
  window = 10
  isReady = true
  readonly sent: string[] = []

  deliver({ number }: Delivery, packetId: number, isRepeated: boolean): boolean {
    this.sent.push(`publish ${number} as ${packetId}${isRepeated ? " again" : ""}`)
    return true
  }

  deliverOnce(): void {}

  release(packetId: number, reason: number): void {
    this.sent.push(`release ${packetId}${reason === 0 ? "" : ` ${reason}`}`)
  }

  take(): string[] {
    return this.sent.splice(0)
  }
}

function openSession(limits: { messages?: number; bytes?: number } = {}) {
  const finished: number[] = []
  const durable: (() => void)[] = []
  const totals = { messages: 0, bytes: 0 }
  let now = 0
  const session = new Session(
    { clientId: "c", number: 1, owner: "o", created: 0 },
    {
      totals,
      maxMessages: limits.messages ?? 1_000_000,
      maxBytes: limits.bytes ?? 1_000_000_000,
      now: () => now,
      onFinished: (_session, { number }) => finished.push(number),
      onReceived: (_session, _delivery, then) => durable.push(then),
    },
  )
  const offer = (qos: 1 | 2, own: Partial<Message> = {}): number | undefined => {
    const number = session.reserve(100)
    if (number === undefined) return undefined
    session.offer({
      message: { ...message, ...own },
      qos,
      retain: false,
      subscriptionIdentifiers: [],
      number,
      weight: 100,
      stage: "waiting",
      wasSent: false,
      isStored: true,
      shared: undefined,
    })
    return number
  }
  return {
    session,
    finished,
    durable,
    totals,
    offer,
    pass: (us: number) => {
      now += us
    },
  }
}

test("deliveries leave in order, within the receiver's window", () => {
  const { session, offer } = openSession()
  const consumer = new Recorder()
  consumer.window = 2
  session.attach(consumer)
  for (let count = 0; count < 4; count++) offer(1)
  expect(consumer.take()).toEqual(["publish 0 as 1", "publish 1 as 2"])
  session.acknowledged(2)
  expect(consumer.take()).toEqual(["publish 2 as 3"])
  session.acknowledged(1)
  session.acknowledged(3)
  session.acknowledged(4)
  expect(consumer.take()).toEqual(["publish 3 as 4"])
  expect(session.queuedMessages).toBe(0)
})

test("after a reconnection everything that was not acknowledged comes again, in order and with its identifiers", () => {
  const { session, offer, finished } = openSession()
  const first = new Recorder()
  first.window = 3
  session.attach(first)
  for (let count = 0; count < 4; count++) offer(1)
  session.acknowledged(2)
  first.take()
  session.detach(5)
  offer(1)
  const second = new Recorder()
  session.attach(second)
  expect(second.take()).toEqual([
    "publish 0 as 1 again",
    "publish 2 as 3 again",
    "publish 3 as 4 again",
    "publish 4 as 5",
  ])
  expect(finished).toEqual([1])
})

test("a QoS 2 delivery is released only when its reception is durable, and never published again", () => {
  const { session, offer, durable, finished } = openSession()
  const first = new Recorder()
  session.attach(first)
  offer(2)
  session.received(1, 0)
  expect(first.take()).toEqual(["publish 0 as 1"])
  session.detach(0)
  const second = new Recorder()
  session.attach(second)
  expect(second.take()).toEqual(["release 1"])
  // The record of before is durable now; its connection is gone.
  durable[0]!()
  expect(second.take()).toEqual([])
  session.completed(1)
  expect(finished).toEqual([0])
})

test("a release for an identifier that nobody knows is answered as such", () => {
  const { session } = openSession()
  const consumer = new Recorder()
  session.attach(consumer)
  session.received(9, 0)
  expect(consumer.take()).toEqual(["release 9 146"])
})

test("a client that refuses a QoS 2 message ends its flow", () => {
  const { session, offer, finished } = openSession()
  const consumer = new Recorder()
  session.attach(consumer)
  offer(2)
  session.received(1, 0x97)
  expect(finished).toEqual([0])
  expect(session.inflightMessages).toBe(0)
})

test("what waits is bounded in number and in bytes, and counted when it finds no room", () => {
  const few = openSession({ messages: 2 })
  expect([few.offer(1), few.offer(1), few.offer(1)]).toEqual([0, 1, undefined])
  const light = openSession({ bytes: 250 })
  expect([light.offer(1), light.offer(1), light.offer(1)]).toEqual([0, 1, undefined])
  expect(light.session.dropped).toBe(1)
  expect(light.totals).toEqual({ messages: 2, bytes: 200 })
  for (const delivery of light.session.clear()) expect(delivery.weight).toBe(100)
  expect(light.totals).toEqual({ messages: 0, bytes: 0 })
})

test("no identifier is used twice at a time", () => {
  const { session, offer } = openSession()
  const consumer = new Recorder()
  consumer.window = 100_000
  session.attach(consumer)
  for (let count = 0; count < 65_540; count++) offer(1)
  expect(session.inflightMessages).toBe(65_535)
  // The first identifier is still out, so that nothing goes.
  session.acknowledged(2)
  expect(session.inflightMessages).toBe(65_534)
  session.acknowledged(1)
  expect(session.inflightMessages).toBe(65_535)
  expect(packetIdOf(65_535)).toBe(1)
})

test("a message whose time is over is not sent for the first time", () => {
  const { session, offer, finished, pass } = openSession()
  offer(1, { expiresAt: 10 })
  offer(1)
  pass(10)
  const consumer = new Recorder()
  session.attach(consumer)
  expect(consumer.take()).toEqual(["publish 1 as 2"])
  expect(finished).toEqual([0])
})

test("a consumer that is not ready gets nothing until it is", () => {
  const { session, offer } = openSession()
  const consumer = new Recorder()
  consumer.isReady = false
  session.attach(consumer)
  offer(1)
  expect(consumer.take()).toEqual([])
  consumer.isReady = true
  session.pump()
  expect(consumer.take()).toEqual(["publish 0 as 1"])
})
