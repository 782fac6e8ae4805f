/** MQTT fronts in this process, on a store in memory, with bridges. */
import { SilentLogger } from "@brume/testkit"
import { systemAmbient } from "../../packages/node/src/ambient/ambient.ts"
import { type BridgeOptions, defaultBridgeOptions } from "../../packages/node/src/devices/mqtt/bridge/options.ts"
import type { TopicMap } from "../../packages/node/src/devices/mqtt/bridge/topic-map.ts"
import type { Mqtt } from "../../packages/node/src/devices/mqtt/mqtt.ts"
import { createMetrics } from "../../packages/node/src/metrics/metrics.ts"
import { MemoryStore } from "./memory-store.ts"
import { openRigFront } from "./mqtt-front.ts"

export interface BridgedFront extends AsyncDisposable {
  readonly mqtt: Mqtt
  readonly port: number
  readonly store: MemoryStore
  readonly logger: SilentLogger
  /** A metric without labels. */
  metric(name: string): Promise<number>
}

/** @param nodeId one digit that no other front has */
export async function openBridgedFront(
  nodeId: string,
  bridges: readonly BridgeOptions[],
  { port = 0, store = new MemoryStore() }: { port?: number; store?: MemoryStore } = {},
): Promise<BridgedFront> {
  const { clock, random } = systemAmbient()
  const metrics = createMetrics()
  const logger = new SilentLogger()
  const mqtt = await openRigFront({
    ...{ store, clock, random, metrics, logger, bridges },
    nodeId: nodeId.repeat(16),
    listen: { host: "127.0.0.1", port },
  })
  return {
    mqtt,
    store,
    logger,
    port: Number(new URL(mqtt.urls[0]!).port),
    async metric(name) {
      const line = (await metrics.expose()).split("\n").find((text) => text.startsWith(`${name} `))
      if (line === undefined) throw new Error(`there is no metric ${name}`)
      return Number(line.split(" ")[1])
    },
    [Symbol.asyncDispose]: () => mqtt.close(),
  }
}

export function bridgeTo(
  port: number,
  topics: readonly Partial<TopicMap>[],
  options: Partial<BridgeOptions> = {},
): BridgeOptions {
  const name = options.name ?? "far"
  return {
    ...defaultBridgeOptions,
    name,
    url: `mqtt://127.0.0.1:${port}`,
    clientId: `brume-test-${name}`,
    firstRetryMs: 20,
    maxRetryMs: 100,
    ...options,
    topics: topics.map((map) => ({ direction: "both", local: "t/#", remote: "t/#", qos: 1, ...map })),
  }
}
