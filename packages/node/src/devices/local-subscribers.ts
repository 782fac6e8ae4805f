/** Several parts of the node that want to see messages, as one. */
import type { Message } from "./mqtt/message.ts"
import type { LocalSubscriber, LocalTaker, TakenMessage } from "./mqtt/own-messages.ts"

export function joinSubscribers(subscribers: readonly LocalSubscriber[]): LocalSubscriber {
  return {
    get version() {
      return subscribers.reduce((sum, { version }) => sum + version, 0)
    },
    isBrief: (topic) => subscribers.some((one) => one.isBrief?.(topic) === true),
    on(topic) {
      const takers = subscribers.map((one) => one.on(topic)).filter((taker) => taker !== undefined)
      return takers.length > 1 ? (message) => takenBy(takers, message) : takers[0]
    },
  }
}

function takenBy(takers: readonly LocalTaker[], message: Message): TakenMessage | undefined {
  const taken = takers.map((take) => take(message)).filter((one) => one !== undefined)
  if (taken.length < 2) return taken[0]
  return {
    records: taken.flatMap(({ records }) => records),
    end: (error) => {
      for (const one of taken) one.end(error)
    },
  }
}
