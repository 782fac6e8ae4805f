/** Tests of rules against what a node has stored; needs a token with the scope `read` that sees all devices. */
import { expectObject, type Transport } from "./transport.ts"

export interface RuleTestOptions {
  /** Firings from there on. @default a day before `to` */
  readonly from?: Date
  /** Firings before that. @default now */
  readonly to?: Date
  /** When a reading comes: at the device's time, or when the node received it. @default time */
  readonly by?: "time" | "received"
  /** Most firings that are listed; all are counted. @default 1000 */
  readonly limit?: number
  readonly signal?: AbortSignal
}

/** What a rule would have done. Times are ISO 8601. */
export interface RuleTest {
  readonly from: string
  readonly to: string
  /** Up to where the test came; `to` where no limit ended it. */
  readonly reached: string
  /** Readings that the rule met, also those of shortly before `from`. */
  readonly readings: number
  readonly fired: number
  readonly cleared: number
  readonly firings: readonly RuleFiring[]
  /** How often it fired in each of 60 equal parts of the time. */
  readonly strip: readonly number[]
  /** What limits what this says, in sentences. */
  readonly notes: readonly string[]
}

export interface RuleFiring {
  readonly time: string
  readonly change: "fired" | "cleared"
  readonly device?: string
  readonly property?: string
  /** What the reading said, or the columns of the window. */
  readonly values: Readonly<Record<string, unknown>>
  /** What would have been done, with all templates filled. */
  readonly actions: readonly (Readonly<Record<string, unknown>> & { readonly type: string })[]
}

export interface RuleRoom {
  /** Performs nothing, and applies nothing. Throws `document_invalid` for a rule with mistakes, and `query_busy`. */
  test(document: object, options?: RuleTestOptions): Promise<RuleTest>
}

/** A test takes 20 s at most, and some may wait before it. ms */
const timeoutMs = 180_000

export function createRules(transport: Transport): RuleRoom {
  return {
    async test(document, { from, to, by, limit, signal } = {}) {
      const asked = {
        ...{ document, by, limit },
        ...{ from: from?.toISOString(), to: to?.toISOString() },
      }
      const answer = await transport.json({
        ...{ method: "POST", path: "v1/rules/test", body: JSON.stringify(asked) },
        headers: { "content-type": "application/json" },
        isIdempotent: true,
        ...{ timeoutMs, signal },
      })
      return expectObject(answer, transport.base) as unknown as RuleTest
    },
  }
}
