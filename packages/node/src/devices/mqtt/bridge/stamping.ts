/** A client that is another node's bridge: what it gets has this node in its trail (L1 in trails.ts). */
import type { Message } from "../message.ts"
import type { Consumer } from "../session/session.ts"
import { mostHops, type Trails } from "./trails.ts"

export function stamping(client: Consumer, trails: Trails): Consumer {
  const stamped = (message: Message): Message | undefined => {
    const properties = trails.extend(message, mostHops)
    return properties === undefined ? undefined : { ...message, properties }
  }
  return {
    get window() {
      return client.window
    },
    get isReady() {
      return client.isReady
    },
    deliver(delivery, packetId, isRepeated) {
      const message = stamped(delivery.message)
      return message !== undefined && client.deliver({ ...delivery, message }, packetId, isRepeated)
    },
    deliverOnce(message, retain, subscriptionIdentifiers) {
      const onward = stamped(message)
      if (onward !== undefined) client.deliverOnce(onward, retain, subscriptionIdentifiers)
    },
    release: (packetId, reason) => client.release(packetId, reason),
  }
}
