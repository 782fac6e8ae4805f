/** Several parts of the node that want to see messages, as one. No two want the same topic. */
import type { LocalSubscriber } from "./mqtt/own-messages.ts"

export function joinSubscribers(subscribers: readonly LocalSubscriber[]): LocalSubscriber {
  return {
    wants: (topic) => subscribers.some((one) => one.wants(topic)),
    take: (message) => subscribers.find((one) => one.wants(message.topic))?.take(message),
  }
}
