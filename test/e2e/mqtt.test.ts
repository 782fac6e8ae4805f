/** Brume's MQTT front, judged through its socket. */
import { describeMqttBroker } from "@brume/testkit"
import { openBrumeBroker } from "../rig/brume-broker.ts"

/** Where it differs from the standard. */
const exceptions = {
  "bytes that are no whole packet": "it counts bytes",
  "what was unsubscribed or cleaned before a kill": "an empty session of that client id is present after the kill",
}

describeMqttBroker("Brume", openBrumeBroker, { exceptions })
