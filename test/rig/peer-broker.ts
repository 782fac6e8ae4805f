/** The broker that real clients are tried on: one line decides which. */
import type { MqttBroker } from "@brume/testkit"
import { openBrumeBroker } from "./brume-broker.ts"

export interface PeerBroker extends MqttBroker {
  /** Where it speaks MQTT over WebSocket. */
  readonly webSocketUrl?: string | undefined
}

export const openPeerBroker = (): Promise<PeerBroker> => openBrumeBroker()
