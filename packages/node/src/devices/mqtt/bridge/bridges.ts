/**
 * The bridges of a node. Loaded only where there are some, or where sessions of former ones are left.
 *
 * A bridge that is not configured any more ends with everything that waited for its remote broker; that is said.
 */
import type { Broker } from "../broker.ts"
import type { TotalMetrics } from "../statistics.ts"
import { Bridge, bridgePrefix, forgotten } from "./bridge.ts"
import type { BridgeOptions } from "./options.ts"
import { BridgeStatistics, exposeBridges } from "./statistics.ts"

export interface Bridges {
  close(): void
}

export interface BridgesOptions {
  readonly bridges: readonly BridgeOptions[]
  readonly metrics: TotalMetrics
}

/** They connect by themselves, now and whenever a connection ends. */
export function openBridges(broker: Broker, { bridges, metrics }: BridgesOptions): Bridges {
  endFormer(broker, new Set(bridges.map(({ name }) => bridgePrefix + name)))
  if (bridges.length === 0) return { close: () => {} }
  const statistics = new BridgeStatistics()
  const open = bridges.map((bridge) => new Bridge(bridge, { broker, statistics }))
  const sum = (read: (bridge: Bridge) => number): number => open.reduce((total, bridge) => total + read(bridge), 0)
  exposeBridges(metrics, statistics, {
    connected: () => sum(({ isConnected }) => Number(isConnected)),
    queuedMessages: () => sum(({ session }) => session.queuedMessages),
    queuedBytes: () => sum(({ session }) => session.queuedBytes),
    dropped: () => sum(({ session }) => session.dropped),
  })
  return {
    close() {
      for (const bridge of open) bridge.close()
    },
  }
}

function endFormer({ sessions, intake, options }: Broker, wanted: ReadonlySet<string>): void {
  for (const session of [...sessions]) {
    const { clientId, queuedMessages: lost } = session
    if (!clientId.startsWith(bridgePrefix) || wanted.has(clientId)) continue
    const name = clientId.slice(bridgePrefix.length)
    options.logger.warn("A bridge is not configured any more and is forgotten", { bridge: name, lost })
    for (const record of [...sessions.end(session), forgotten(name)]) intake.record(record)
  }
}
