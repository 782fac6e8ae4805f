/**
 * Which topics a bridge carries, and what they are called on the other side.
 *
 * Two filters stand for each other: their wildcards are the same, in the same order, and what a wildcard fits on one side
 * takes the place of its partner on the other. `plant/#` and `site-7/plant/#` add a prefix; `+/temp` and `site-7/+/t`
 * rename a level. The first map that fits a topic is its map.
 */
import type { Qos } from "../message.ts"

export interface TopicMap {
  /** `out`: from here to the remote broker. */
  readonly direction: "in" | "out" | "both"
  /** Filters. */
  readonly local: string
  readonly remote: string
  /** The highest quality of service. */
  readonly qos: Qos
}

/** What a topic is called on the other side, and how it goes there. */
export interface Renamed {
  readonly topic: string
  readonly qos: Qos
}

/** Longest topic of the protocol, bytes. */
const maxTopicBytes = 65_535

/** The maps of one direction. */
export class TopicRenamer {
  /** To subscribe to, each once, with the highest QoS that it was given. */
  readonly filters: ReadonlyMap<string, Qos>
  readonly #maps: readonly { readonly from: readonly string[]; readonly to: readonly string[]; readonly qos: Qos }[]
  readonly #mayBeginWithDollar: boolean

  constructor(maps: readonly TopicMap[], direction: "in" | "out") {
    const chosen = maps.filter((map) => map.direction === direction || map.direction === "both")
    const isOut = direction === "out"
    const filters = new Map<string, Qos>()
    for (const { local, remote, qos } of chosen) {
      const filter = isOut ? local : remote
      filters.set(filter, Math.max(qos, filters.get(filter) ?? 0) as Qos)
    }
    this.filters = filters
    this.#maps = chosen.map(({ local, remote, qos }) => ({
      from: (isOut ? local : remote).split("/"),
      to: (isOut ? remote : local).split("/"),
      qos,
    }))
    this.#mayBeginWithDollar = isOut
  }

  /** Undefined when no map fits, or no topic comes of it. */
  rename(topic: string): Renamed | undefined {
    const levels = topic.split("/")
    for (const { from, to, qos } of this.#maps) {
      const captures = capture(from, levels)
      if (captures === undefined) continue
      const renamed = fill(to, captures)
      const isGood =
        renamed !== "" &&
        Buffer.byteLength(renamed) <= maxTopicBytes &&
        (this.#mayBeginWithDollar || !renamed.startsWith("$"))
      return isGood ? { topic: renamed, qos } : undefined
    }
    return undefined
  }
}

/** What each wildcard fits, or undefined when the filter does not fit. [MQTT-4.7.1-2, MQTT-4.7.2-1] */
function capture(filter: readonly string[], levels: readonly string[]): (readonly string[])[] | undefined {
  const captures: (readonly string[])[] = []
  if (levels[0]!.startsWith("$") && (filter[0] === "#" || filter[0] === "+")) return undefined
  for (const [index, wanted] of filter.entries()) {
    if (wanted === "#") {
      captures.push(levels.slice(index))
      return captures
    }
    const given = levels[index]
    if (given === undefined) return undefined
    if (wanted === "+") captures.push([given])
    else if (wanted !== given) return undefined
  }
  return filter.length === levels.length ? captures : undefined
}

function fill(filter: readonly string[], captures: readonly (readonly string[])[]): string {
  const levels: string[] = []
  let next = 0
  for (const level of filter) {
    if (level === "#" || level === "+") levels.push(...captures[next++]!)
    else levels.push(level)
  }
  return levels.join("/")
}
