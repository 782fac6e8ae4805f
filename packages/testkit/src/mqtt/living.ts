/** PINGREQ, keep alive and DISCONNECT: chapters 3.12 to 3.14 and 3.1.2.10. */
import { expect } from "vitest"
import { frame } from "./bytes.ts"
import { dropped } from "./endings.ts"
import { encodeDisconnect, encodePublish, pingreq } from "./packets.ts"
import type { Chapter } from "./trial.ts"

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export function describeLiving({ both, v5 }: Chapter): void {
  both("3.12.4-1", "each PINGREQ is answered by a PINGRESP", async (trial) => {
    const client = await trial.client()
    client.write(pingreq, pingreq, pingreq)
    for (let turn = 0; turn < 3; turn++) await client.expect("pingresp")
  })

  both(
    ["3.1.2-24", "3.1.2-22 3.2.2-22"],
    "silence of more than 1.5 keep alives ends the connection, not of less",
    async (trial) => {
      const client = await trial.client({ keepAlive: 1 })
      if (client.connack.properties.serverKeepAlive !== undefined)
        trial.context.skip("the broker sets its own keep alive")
      await client.silence(1_200)
      await dropped(client, 0x8d)
    },
  )

  both(["3.1.2-24", "3.1.2-22"], "any packet counts as a sign of life", async (trial) => {
    const client = await trial.client({ keepAlive: 1 })
    if (client.connack.properties.serverKeepAlive !== undefined)
      trial.context.skip("the broker sets its own keep alive")
    for (let turn = 0; turn < 4; turn++) {
      await pause(800)
      if (turn % 2 === 0) await client.publish({ topic: trial.name(), qos: 1 })
      else await client.ping()
    }
  })

  both(["3.1.2-24", "3.1.2-22"], "bytes that are no whole packet are no sign of life", async (trial) => {
    const client = await trial.client({ keepAlive: 1 })
    if (client.connack.properties.serverKeepAlive !== undefined)
      trial.context.skip("the broker sets its own keep alive")
    const publish = frame(0x30, Buffer.alloc(100))
    let at = 0
    const drip = setInterval(() => {
      if (!client.isEnded) client.write(publish.subarray(at, ++at))
    }, 100)
    try {
      await dropped(client, 0x8d)
    } finally {
      clearInterval(drip)
    }
  })

  both("", "keep alive 0 means no limit", async (trial) => {
    const client = await trial.client({ keepAlive: 0 })
    await client.silence(2_000)
    await client.ping()
  })

  both(["3.1.2-24", "3.1.2-22"], "messages that are sent to a silent client do not keep it alive", async (trial) => {
    const topic = trial.name()
    const client = await trial.client({ keepAlive: 1 })
    if (client.connack.properties.serverKeepAlive !== undefined)
      trial.context.skip("the broker sets its own keep alive")
    await client.subscribe(topic)
    const publisher = await trial.client()
    const sending = setInterval(() => void publisher.publish({ topic }), 200)
    try {
      await client.take(() => false, 8_000).catch((error: Error) => expect(error.message).toMatch(/closed/))
      expect(client.isEnded).toBe(true)
    } finally {
      clearInterval(sending)
    }
  })

  both(
    ["3.14.4-1 3.14.4-2", "3.14.4-1 3.14.4-2"],
    "after DISCONNECT the broker closes and processes nothing more",
    async (trial) => {
      const topic = trial.name()
      const watcher = await trial.client()
      await watcher.subscribe(topic)
      const client = await trial.client()
      client.write(encodeDisconnect(trial.version), encodePublish(trial.version, { topic, payload: "late" }))
      expect(await client.closed()).toBeUndefined()
      await watcher.publish({ topic, payload: "sentinel" })
      expect(await watcher.payloads(1)).toEqual(["sentinel"])
    },
  )

  both(["3.14.1-1", "3.14.1-1"], "a DISCONNECT with reserved bits is malformed", async (trial) => {
    const client = await trial.client()
    client.write(frame(0xe2))
    await dropped(client, 0x81)
  })

  v5("3.14.2-1", "DISCONNECT with a reason and properties is accepted", async (trial) => {
    const client = await trial.client()
    client.write(encodeDisconnect(5, 0, { reasonString: "done", user: [["a", "b"]] }))
    expect(await client.closed()).toBeUndefined()
  })
}
