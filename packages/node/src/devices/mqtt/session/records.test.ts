import fc from "fast-check"
import { expect, test } from "vitest"
import { decodeMessage, encodeMessage, type Message, type Qos } from "../message.ts"
import { deliveryRecord, parseDelivery, parseWill, splitKey, willRecord } from "./records.ts"

const messages = fc.record({
  topic: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  payload: fc.uint8Array({ maxLength: 64 }),
  qos: fc.constantFrom<Qos>(0, 1, 2),
  retain: fc.boolean(),
  expiresAt: fc.option(fc.nat(), { nil: undefined }),
  properties: fc.uint8Array({ maxLength: 32 }),
})

const plain = (message: Message | undefined) =>
  message && { ...message, payload: [...message.payload], properties: [...message.properties] }

test("a message comes back from its bytes, wherever they begin", () => {
  fc.assert(
    fc.property(messages, fc.nat(9), (message, prefix) => {
      const bytes = encodeMessage(message, prefix)
      expect(plain(decodeMessage(bytes, prefix))).toEqual(plain(message))
    }),
  )
})

test("a delivery comes back from its record", () => {
  const deliveries = fc.record({
    qos: fc.constantFrom<1 | 2>(1, 2),
    retain: fc.boolean(),
    mayBeSent: fc.boolean(),
    subscriptionIdentifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 5 }),
  })
  fc.assert(
    fc.property(deliveries, messages, fc.option(fc.nat()), (delivery, message, sharedId) => {
      const stored = {
        ...{ ...delivery, isReleased: false },
        message: sharedId === null ? message : undefined,
        sharedId: sharedId ?? undefined,
      }
      const parsed = parseDelivery(deliveryRecord(3, 7, stored).value!)
      expect({ ...parsed, message: plain(parsed?.message) }).toEqual({ ...stored, message: plain(stored.message) })
    }),
  )
})

test("a released delivery needs no message", () => {
  const record = deliveryRecord(3, 7, {
    ...{ qos: 2, retain: false, isReleased: true, mayBeSent: true },
    ...{ subscriptionIdentifiers: [], message: undefined, sharedId: undefined },
  })
  expect(record.key).toBe("queue/3/7")
  expect(parseDelivery(record.value!)).toMatchObject({ isReleased: true, message: undefined })
})

test("a will comes back from its record", () => {
  fc.assert(
    fc.property(messages, fc.nat(), (message, delayS) => {
      const found = parseWill(willRecord("c", { delayS, owner: "o" }, message).value!)
      expect(found?.will).toEqual({ delayS, owner: "o" })
      expect(plain(found?.message)).toEqual(plain(message))
    }),
  )
})

test("bytes that nobody wrote are told from records", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      for (const read of [parseDelivery, parseWill, (given: Uint8Array) => decodeMessage(given)]) {
        expect(() => read(bytes)).not.toThrow()
      }
    }),
  )
  expect(splitKey("queue/12/34", 6)).toEqual({ session: 12, rest: "34" })
  expect(splitKey("queue/", 6)).toBeUndefined()
})
