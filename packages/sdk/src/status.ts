/** What a node says about itself. */
import type { Scope, StoreStats } from "@brume/core"
import { expectObject, type Transport } from "./transport.ts"

export interface NodeStatus {
  /** Its name. */
  readonly node: string
  readonly version: string
  /** This life of its log. */
  readonly epoch: string
  /** ISO 8601. */
  readonly started: string
  /** Its clock, ISO 8601. */
  readonly time: string
  readonly store: StoreStats
  /** The token that asked. */
  readonly token: {
    readonly id: string
    readonly name: string
    readonly scopes: readonly Scope[]
    readonly devices?: readonly string[]
  }
}

export async function nodeStatus(transport: Transport, signal: AbortSignal | undefined): Promise<NodeStatus> {
  const call = { method: "GET", path: "v1/status", isIdempotent: true, signal } as const
  return expectObject(await transport.json(call), transport.base) as unknown as NodeStatus
}
