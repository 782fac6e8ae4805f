/** A command as the device gets it: one JSON object for both versions of MQTT; 5.0 has the reply's address as properties too. */
import type { Command } from "@brume/core"
import type { OwnMessage } from "../mqtt/own-messages.ts"
import { commandTopic, replyTopic } from "./terms.ts"

/** @param attempt 1 for the first time */
export function envelopeOf(
  { id, device, command, input, deadline }: Pick<Command, "id" | "device" | "command" | "input" | "deadline">,
  attempt: number,
): OwnMessage {
  const reply = replyTopic(device, id)
  const until = new Date(Math.ceil(deadline / 1_000)).toISOString()
  return {
    topic: commandTopic(device, command),
    payload: Buffer.from(JSON.stringify({ id, command, input, deadline: until, attempt, reply })),
    // Each subscriber gets it with the QoS that it asked for; at 2 the protocol itself keeps it from coming twice.
    qos: 2,
    retain: false,
    expiresAt: deadline,
    responseTopic: reply,
    correlationData: Buffer.from(id),
    contentType: "application/json",
  }
}
