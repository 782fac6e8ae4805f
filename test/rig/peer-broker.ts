/** The broker that real clients are tried on: one line decides which. */
import type { MqttBroker } from "@brume/testkit"
import { openBrumeBroker } from "./brume-broker.ts"

export const openPeerBroker = (): Promise<MqttBroker> => openBrumeBroker()
