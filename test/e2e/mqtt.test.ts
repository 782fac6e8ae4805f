/** Brume's MQTT front, judged through its socket. */
import { describeMqttBroker } from "@brume/testkit"
import { openBrumeBroker } from "../rig/brume-broker.ts"

describeMqttBroker("Brume", openBrumeBroker)
