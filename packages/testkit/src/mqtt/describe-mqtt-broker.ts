/**
 * The conformance suite of an MQTT broker, 3.1.1 and 5.0, judged through its TCP socket alone. Each test is named by
 * the clause of the standard that it observes. A broker's own test is three lines:
 *
 * @example
 * describeMqttBroker("mosquitto", openMosquitto, { exceptions: { "5.0 [MQTT-3.2.2-16]": "why it differs" } })
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { describeAnswering } from "./answering.ts"
import { describeConnecting } from "./connecting.ts"
import { describeFlowing } from "./flowing.ts"
import { describeLiving } from "./living.ts"
import { describeMalforming } from "./malforming.ts"
import { describePassing } from "./passing.ts"
import { describePublishing } from "./publishing.ts"
import { describeRestarting } from "./restarting.ts"
import { describeRetaining } from "./retaining.ts"
import { describeSessions } from "./sessions.ts"
import { describeSharing } from "./sharing.ts"
import { describeSubscribing } from "./subscribing.ts"
import { describeTopics } from "./topics.ts"
import { type Chapter, createChapter, type KnownExceptions, type MqttBroker } from "./trial.ts"
import { describeWebSockets } from "./web-sockets.ts"
import { describeWills } from "./wills.ts"

export interface MqttSuiteOptions {
  /**
   * Where this broker differs from the standard, by parts of the tests' titles. Such a test must fail: it is
   * shown as skipped with its reason, and fails once the broker has become better.
   */
  readonly exceptions?: KnownExceptions
}

const chapters: Readonly<Record<string, (chapter: Chapter) => void>> = {
  "CONNECT and CONNACK": describeConnecting,
  "answers of every kind": describeAnswering,
  "PUBLISH and its flows": describePublishing,
  "SUBSCRIBE and UNSUBSCRIBE": describeSubscribing,
  topics: describeTopics,
  "retained messages": describeRetaining,
  sessions: describeSessions,
  wills: describeWills,
  "PING, keep alive and DISCONNECT": describeLiving,
  "shared subscriptions": describeSharing,
  "properties and expiry": describePassing,
  "flow control, aliases and sizes": describeFlowing,
  "malformed packets": describeMalforming,
  WebSocket: describeWebSockets,
}

/** One broker serves all tests: each has names of its own, and what one breaks the next must not notice. */
export function describeMqttBroker(
  name: string,
  open: () => Promise<MqttBroker>,
  options: MqttSuiteOptions = {},
): void {
  const { exceptions = {} } = options
  describe(`${name} as an MQTT broker`, () => {
    let broker: MqttBroker | undefined
    beforeAll(async () => {
      broker = await open()
    })
    afterAll(() => broker?.close())
    const met = new Set<string>()
    const shared = { broker: () => broker!, exceptions, met }
    const chapter = createChapter({ ...shared, isConcurrent: true })
    for (const [title, body] of Object.entries(chapters)) describe(title, () => body(chapter))
    describe("after a kill", () => describeRestarting(createChapter({ ...shared, isConcurrent: false })))
    test("every known exception names a test", () => {
      expect(Object.keys(exceptions).filter((part) => !met.has(part))).toEqual([])
    })
  })
}
