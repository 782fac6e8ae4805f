/**
 * Knows every reading that was sent by its id, and which of them were acknowledged: the judge of "nothing lost,
 * nothing twice". Ids are the readings' values, so that SQL can be asked for exactly what is missing or doubled.
 */
import type { NodeProcess } from "./node-process.ts"

export interface Verdict {
  readonly acknowledged: number
  /** Acknowledged, and not in the store. */
  readonly lost: readonly number[]
  /** More than once in the store although each of its sendings carried the same identity. */
  readonly doubled: readonly number[]
  /** In the store without ever having been sent. */
  readonly invented: readonly number[]
  /** Batches that were sent again because no answer came. */
  readonly resent: number
}

export class Oracle {
  readonly #acknowledged = new Set<number>()
  #sent = 0
  #resent = 0

  /**
   * Sends batches through `node()`, whichever process that is just now, until `isOver`. A batch whose answer did not
   * come is sent again with the same Idempotency-Key until one comes.
   */
  async write(writer: string, batchSize: number, node: () => NodeProcess, isOver: () => boolean): Promise<void> {
    for (let turn = 0; !isOver(); turn++) {
      const ids = Array.from({ length: batchSize }, () => this.#sent++)
      const body = ids.map((id) => JSON.stringify({ device: writer, property: "id", value: id })).join("\n")
      for (let attempt = 0; ; attempt++) {
        if (attempt > 0) this.#resent++
        const answer = await node()
          .request("/v1/readings", {
            method: "POST",
            headers: { "content-type": "application/x-ndjson", "idempotency-key": `${writer}-${turn}` },
            body,
            signal: AbortSignal.timeout(10_000),
          })
          .catch(() => undefined)
        if (answer?.ok) break
        if (answer !== undefined && answer.status < 500) throw new Error(`${answer.status}: ${await answer.text()}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      for (const id of ids) this.#acknowledged.add(id)
    }
  }

  async judge(node: NodeProcess): Promise<Verdict> {
    const counts = new Map<number, number>()
    const page = 50_000
    for (let from = 0; from < this.#sent; from += page) {
      const rows = await node.sql<{ id: number; times: number }>(
        `SELECT value AS id, count(*) AS times FROM readings WHERE property = 'id' AND value >= ${from} AND value < ${from + page} GROUP BY value`,
      )
      for (const { id, times } of rows) counts.set(id, times)
    }
    const [total] = await node.sql<{ total: number }>("SELECT count(*) AS total FROM readings WHERE property = 'id'")
    const known = [...counts.values()].reduce((sum, times) => sum + times, 0)
    return {
      acknowledged: this.#acknowledged.size,
      lost: [...this.#acknowledged].filter((id) => !counts.has(id)),
      doubled: [...counts].filter(([, times]) => times > 1).map(([id]) => id),
      invented: Array.from({ length: (total?.total ?? 0) - known }, (_, index) => index),
      resent: this.#resent,
    }
  }
}
