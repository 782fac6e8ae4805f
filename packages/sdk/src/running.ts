/** The statements that a node works on. */
import { foreignAnswer } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** A statement that waits or runs. */
export interface RunningStatement {
  readonly id: string
  readonly sql: string
  /** ISO 8601. */
  readonly started: string
  readonly state: "waiting" | "running"
}

export interface Queries {
  list(): Promise<RunningStatement[]>
  /** Its caller gets `query_cancelled`. Throws `query_not_found`. */
  cancel(id: string): Promise<void>
}

export function createQueries(transport: Transport): Queries {
  return {
    async list() {
      const answer = expectObject(
        await transport.json({ method: "GET", path: "v1/queries", isIdempotent: true }),
        transport.base,
      )
      if (!Array.isArray(answer.queries)) throw foreignAnswer(transport.base.href, "its answer has no queries")
      return answer.queries as RunningStatement[]
    },
    async cancel(id) {
      await transport.json({ method: "DELETE", path: `v1/queries/${encodeURIComponent(id)}`, isIdempotent: false })
    },
  }
}
