/** What one message would become, for people who write mappings: no node, nothing is stored. */
import { ReadingBatch, SeriesCache, valueKind } from "@brume/core"
import { defaultPayloadLimits, type PayloadLimits } from "../payload/limits.ts"
import type { MappingSettings } from "./compile-mapping.ts"
import { createMapper } from "./mapping.ts"

export interface TrialRequest {
  readonly mappings: readonly MappingSettings[]
  readonly topic: string
  readonly payload: Uint8Array
  /** Of MQTT 5. */
  readonly contentType?: string | undefined
  /** When the message is taken to arrive, µs since 1970 UTC. */
  readonly receivedUs: number
  /** What is left out has its default. */
  readonly limits?: Partial<PayloadLimits>
}

export interface TrialReading {
  readonly device: string
  readonly property: string
  /** µs since 1970 UTC. */
  readonly time: number
  /** The number; null where the reading is none. */
  readonly value: number | null
  readonly text: string | null
  /** Raw JSON: booleans, objects, arrays, integers beyond 2^53. */
  readonly json: string | null
  /** Canonical JSON object. */
  readonly tags: string
  readonly quality: number
}

export interface Trial {
  /** Name of the mapping that takes the topic, `devices` for the topics that need none. */
  readonly mapping: string | undefined
  readonly readings: readonly TrialReading[]
  /** Why there are no readings; a sentence. */
  readonly reason: string | undefined
}

export function tryMapping({ mappings, topic, payload, contentType, receivedUs, limits }: TrialRequest): Trial {
  const mapper = createMapper({ mappings, series: new SeriesCache(), limits: { ...defaultPayloadLimits, ...limits } })
  const mapping = mapper.resolve(topic, contentType)
  if (mapping === undefined)
    return { mapping: undefined, readings: [], reason: `Messages on ${topic} are no readings: ${mapper.whyNot(topic)}` }
  const batch = new ReadingBatch()
  const bytes = Buffer.from(payload)
  const added = mapping.add(batch, bytes, 0, bytes.length, receivedUs)
  const reason =
    typeof added !== "number"
      ? `The payload ${added.reason}`
      : added > 0
        ? undefined
        : bytes.length === 0
          ? "The payload is empty, which clears a retained message"
          : "The payload has nothing that was measured: null, no members, or none of those that are selected"
  return { mapping: mapping.name, readings: readingsOf(batch), reason }
}

function readingsOf(batch: ReadingBatch): TrialReading[] {
  return Array.from({ length: batch.length }, (_, row) => {
    const { device, property, tags } = batch.series[batch.seriesIndex[row]!]!
    const kind = batch.kind[row]!
    const payload = batch.payload?.[row] ?? null
    return {
      device,
      property,
      time: batch.time[row]!,
      value: (kind & valueKind.number) === 0 ? null : batch.value[row]!,
      text: (kind & valueKind.text) === 0 ? null : payload,
      json: (kind & valueKind.json) === 0 ? null : payload,
      tags,
      quality: batch.quality[row]!,
    }
  })
}
