/** The suite against a broker that everybody knows: it keeps the suite honest. */
import { describeMqttBroker } from "@brume/testkit"
import { describe, test } from "vitest"
import { findMosquitto, openMosquitto } from "../rig/mosquitto.ts"

/** Where mosquitto 2.0 differs from the standard. */
const exceptions = {
  "5.0 [MQTT-3.1.4-3] a second connection": "it closes the taken over connection without a DISCONNECT",
  "3.1.1 [MQTT-3.1.4-2] the id is taken over": "it closes the taken over connection without a DISCONNECT",
  "CONNECT with authentication data": "it ignores the data",
  "a QoS 2 message sent again and again": "a second repetition is a protocol error for it",
  "3.1.1 [MQTT-3.3.5-1] overlapping": "it delivers at the QoS of the subscription that it finds first",
  "a replaced subscription has the new": "it keeps the old options",
  "the end of the session publishes the will": "it waits for the whole delay",
  "a clean start ends the session and publishes": "it cancels the will",
  "an expiry of 0 in a DISCONNECT with will": "it waits for the whole delay",
  "properties that no will has": "it takes some of them",
  "bytes that are no whole packet": "it counts bytes",
  "a shared subscription gets no retained": "it sends them",
  "no local with a shared subscription": "it accepts the option",
  "share names that are empty": "it takes an empty share name",
  "no more QoS 1 messages in flight": "it sends one too many after the first acknowledgement",
  "exceeds the broker's receive maximum": "it holds messages back instead",
  "the whole packet counts, to the byte": "it compares without the fixed header",
  "PUBACK with reserved bits": "it does not look at them",
  "PUBREC with reserved bits": "it does not look at them",
  "PUBCOMP with reserved bits": "it does not look at them",
  "PINGREQ with reserved bits": "it does not look at them",
  "PUBLISH of QoS 0 with DUP": "it ignores the flag",
  "PINGREQ with a body": "it does not look at it",
  "a SUBACK from a client": "it is a bridge's packet for it",
  "an UNSUBACK from a client": "it is a bridge's packet for it",
  "a PINGRESP from a client": "it is a bridge's packet for it",
  "PUBLISH with a subscription identifier": "it ignores the property",
  "PUBLISH with payload format 2": "it passes the property on",
  "PUBLISH with a wildcard in the response topic": "it passes the property on",
  "PUBACK with an unknown reason": "it does not look at the reason",
  "PUBREC with an unknown reason": "it does not look at the reason",
  "PUBREL with an unknown reason": "it does not look at the reason",
  "a text frame ends the connection": "it does not look at the kind of a frame",
  "PUBCOMP with an unknown reason": "it does not look at the reason",
}

if (findMosquitto() === undefined) {
  describe("mosquitto as an MQTT broker", () => {
    test("the suite", ({ skip }) => skip("mosquitto is not installed"))
  })
} else {
  describeMqttBroker("mosquitto", openMosquitto, { exceptions })
}
