/** Packets that the standard refuses, one by one: each ends its own connection and disturbs nobody else's. */
import { expect } from "vitest"
import { byte, frame } from "./bytes.ts"
import { dropped } from "./endings.ts"
import { type Malformed, malformedBoth } from "./malformed-both.ts"
import { malformedFive } from "./malformed-five.ts"
import { encodeSubscribe } from "./packets.ts"
import type { Chapter } from "./trial.ts"

/** Filters with misplaced wildcards: a code for the filter alone, or the end. */
const badFilters = ["a/#/b", "a#", "#/a", "a+", "+a", "a/b+/c", "##", "++"]

export function describeMalforming({ both: inBoth, v4, v5 }: Chapter): void {
  const add = (register: Chapter["v5"], { what, bytes, codes }: Malformed, clauses: string): void =>
    register(clauses, `${what} ends the connection`, async (trial) => {
      const bystander = await trial.client()
      const client = await trial.client()
      client.write(...[bytes(trial.version)].flat())
      await dropped(client, ...(codes ?? []))
      await bystander.ping()
      expect(bystander.isEnded).toBe(false)
    })
  for (const one of malformedBoth) {
    const [of4, of5] = typeof one.clauses === "string" ? [one.clauses, one.clauses] : one.clauses
    add(v4, one, of4.trim())
    add(v5, one, of5.trim())
  }
  v4("4.8.0-1", "packet type 15 ends the connection", async (trial) => {
    const client = await trial.client()
    client.write(frame(0xf0))
    await dropped(client)
  })
  v4("3.14.1-1", "a DISCONNECT with a body ends the connection", async (trial) => {
    const client = await trial.client()
    client.write(frame(0xe0, byte(0)))
    await dropped(client)
  })
  for (const one of malformedFive) add(v5, one, one.clauses as string)
  for (const filter of badFilters) {
    inBoth(["4.7.1-2 4.7.1-3", "4.7.1-1 4.7.1-2"], `SUBSCRIBE to ${filter} is refused`, async (trial) => {
      const client = await trial.client()
      client.write(encodeSubscribe(trial.version, 1, [{ filter }]))
      const answer = await client.take(({ type }) => type === "suback").catch(() => undefined)
      if (answer?.type === "suback") expect(answer.codes[0]).toBeGreaterThanOrEqual(0x80)
      else await dropped(client)
    })
  }
}
