/**
 * Messages that rules and functions publish: what sessions and retained messages need is in the commit of the cause, and
 * the node itself takes them as if a client had sent them, as readings and for who listens in it.
 */
import { type EffectOutcome, FogError, type Planner, type PublishAction } from "@brume/core"
import { excerpt } from "../payload/mistakes.ts"
import { isTooLong, type MqttLimits } from "./limits.ts"
import type { OwnMessages } from "./own-messages.ts"

export interface PublishPlannerOptions {
  readonly own: OwnMessages
  readonly limits: Pick<MqttLimits, "maxTopicBytes" | "maxTopicLevels" | "maxPacketBytes">
}

const done: EffectOutcome = { state: "done" }

export function createPublishPlanner({ own, limits }: PublishPlannerOptions): Planner<PublishAction> {
  return ({ action: { topic, payload: text, qos, retain } }) => {
    const payload = Buffer.from(text)
    const problem = topicProblem(topic, limits) ?? payloadProblem(payload, limits)
    if (problem !== undefined)
      throw new FogError("effect_invalid", {
        message: `Nothing can be published on ${excerpt(topic, 120)}: ${problem}`,
      })
    const { records, taken, end } = own.plan({ topic, payload, qos, retain, isTaken: true })
    return {
      records,
      // To those who subscribed it is as certain as its QoS says; what the node makes of it is certain when it is durable.
      ended: taken === undefined ? done : taken.then(outcomeOf),
      durable: () => end(undefined),
      refused: () => end(new FogError("store_closed", { message: "The message's cause was not stored" })),
    }
  }
}

/** It has left already: only a part of it can have failed. */
function outcomeOf(error: FogError | undefined): EffectOutcome {
  if (error === undefined) return done
  const { code, message } = error
  return { state: "in-doubt", code, message: `It was sent, but the node did not store it as readings: ${message}` }
}

function topicProblem(topic: string, limits: PublishPlannerOptions["limits"]): string | undefined {
  if (topic === "") return "the topic is empty"
  if (/[+#\0]/.test(topic)) return "the topic has a wildcard or a zero in it"
  if (topic.startsWith("$")) return "topics that begin with $ are the broker's own"
  return isTooLong(topic, limits) ? "the topic is too long, or has too many levels" : undefined
}

/** Those who subscribed cannot take larger ones. */
function payloadProblem(payload: Buffer, { maxPacketBytes }: PublishPlannerOptions["limits"]): string | undefined {
  const most = maxPacketBytes - headBytes
  return payload.length > most ? `the payload has ${payload.length} bytes, the limit is ${most}` : undefined
}

/** Room for the topic and the properties of a packet. */
const headBytes = 1_024
