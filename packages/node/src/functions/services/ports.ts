/** What other rooms do for functions. Structural: each room's own types fit without naming these. */
import type { Command, CommandRequest, KeyedRecord, QueryAnswer, QueryRequest } from "@brume/core"

export interface NodeMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface FunctionPorts {
  /**
   * As if a client had published it. Resolves when it is durable, as far as its QoS wants that, and on its way.
   * @param records for the same commit
   */
  publish(message: NodeMessage, records: readonly KeyedRecord[]): Promise<void>
  /** One SELECT from outside, checked and limited. */
  query(request: QueryRequest): Promise<QueryAnswer>
  command(request: CommandRequest): Promise<Command>
}
