/** What a bridge is told, resolved and checked. */
import type { Secret } from "@brume/core"
import type { TopicMap } from "./topic-map.ts"

export interface BridgeOptions {
  /** Its name on this node: in the log, in `$SYS/broker/bridge/<name>/state`, and in its session. */
  readonly name: string
  /** `mqtt://host:1883` or `mqtts://host:8883`. */
  readonly url: string
  /** What it speaks with the remote broker. */
  readonly protocol: "5.0" | "3.1.1"
  /** At the remote broker. Two bridges with the same one throw each other out. */
  readonly clientId: string
  readonly username?: string | undefined
  /** Asked for anew at each connection, so that changed files are taken. May throw: then that attempt failed. */
  readonly credentials?: (() => Promise<BridgeCredentials>) | undefined
  readonly topics: readonly TopicMap[]
  readonly keepAliveMs: number
  /** From dialling to the answer to the subscriptions. */
  readonly connectTimeoutMs: number
  /** Waits between attempts double from the first to the longest, each between half and all of it by chance. */
  readonly firstRetryMs: number
  readonly maxRetryMs: number
  /** QoS 1 and 2 messages on their way to the remote broker; it may ask for fewer. */
  readonly maxInflight: number
  /** Largest packet that is taken and sent. */
  readonly maxPacketBytes: number
  /** Nodes that a message may have been bridged by before it comes here; see trails.ts. */
  readonly maxHops: number
}

export interface BridgeCredentials {
  readonly password?: Secret | undefined
  /** PEM. */
  readonly authority?: Buffer | undefined
  readonly certificate?: Buffer | undefined
  readonly key?: Buffer | undefined
}

/** What is usual. */
export const defaultBridgeOptions = {
  protocol: "5.0",
  keepAliveMs: 60_000,
  connectTimeoutMs: 30_000,
  firstRetryMs: 1_000,
  maxRetryMs: 60_000,
  maxInflight: 100,
  maxPacketBytes: 1_048_576,
  maxHops: 8,
} as const
