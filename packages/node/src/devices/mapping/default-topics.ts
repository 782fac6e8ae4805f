/**
 * Topics that need no mapping: `devices/<device>/<property>` and `devices/<device>`.
 *
 * Behind `devices/`, everything up to the last `/` is the device and what follows is the property, as in `brume write`:
 * `devices/hall-b/room-7/temperature` is `temperature` of `hall-b/room-7`. Without a `/`, or with nothing behind the
 * last one, the payload is an object whose members are the properties: `devices/room-7`, `devices/hall-b/room-7/`.
 */
import { defaultTimeRule } from "./member-time.ts"
import type { TopicPlan } from "./topic-plan.ts"

const root = "devices/"

/** The name under which the topics below `devices/` are shown where mappings are. */
export const defaultMappingName = "devices"

/** Why a topic is no readings whatever the mappings say; undefined when it is free. */
export function reservedReason(topic: string): string | undefined {
  if (topic.startsWith("$")) return "topics that begin with $ are the broker's own"
  if (!topic.startsWith(root)) return undefined
  const levels = topic.slice(root.length).split("/").slice(1)
  if (levels.includes("commands")) return "devices/<device>/commands is reserved for commands"
  const last = levels.at(-1)
  if (last === "set") return "topics below devices/ that end in set are reserved for commands"
  if (last === "replies" || levels.at(-2) === "replies") return "devices/<device>/replies is reserved for commands"
  if (last === "desired" || last === "reported") return `devices/<device>/${last} is reserved for twins`
  return undefined
}

/** The plan of a topic below `devices/`, or why nothing can have its names; undefined for other topics. */
export function defaultPlan(topic: string): TopicPlan | undefined {
  if (!topic.startsWith(root)) return undefined
  const path = topic.slice(root.length)
  const slash = path.lastIndexOf("/")
  const device = slash === -1 ? path : path.slice(0, slash)
  const property = slash === -1 || slash === path.length - 1 ? undefined : path.slice(slash + 1)
  return {
    name: defaultMappingName,
    device,
    property,
    tags: "{}",
    payload: "auto",
    flatten: "objects",
    select: undefined,
    time: defaultTimeRule,
    multiply: 1,
    add: 0,
  }
}
