/**
 * Mapping: what the topics and payloads of MQTT messages mean as readings. Pure: no clock, no store, no broker; it is
 * compiled from the configuration, and one thread calls it for every message.
 *
 * Invariants:
 * - T1. All or nothing: a payload that is refused has added nothing to the batch, and is told why. No payload makes it
 *   throw.
 * - T2. Values are carried as `payload/` carries them (P2 there), whichever way they went: the scanner of flat objects
 *   gives the same readings as the exact parser, or leaves the payload to it.
 * - T3. A topic means one thing: reserved topics no readings, else the first mapping that fits it, else the topics below
 *   `devices/`, else no readings.
 * - T4. What is remembered of a topic is bounded (`flat-scanner.ts`, `series-names.ts`); how many topics are remembered
 *   is its caller's decision.
 *
 * It is not the MQTT front: it knows neither sessions nor retained messages, and keeps no message.
 */
import type { Captures, Principal, ReadingBatch, SeriesCache } from "@brume/core"
import { matchPattern } from "@brume/core"
import { DeviceScopes } from "../device-scope.ts"
import { DecimalReader } from "../payload/decimal.ts"
import { defaultPayloadLimits, type PayloadLimits } from "../payload/limits.ts"
import { compileMapping, type MappingSettings, planOf, type Rule } from "./compile-mapping.ts"
import { defaultPlan, reservedReason } from "./default-topics.ts"
import { RefusingTopic } from "./refusing-topic.ts"
import { Stage } from "./stage.ts"
import { planProblem, type TopicPlan } from "./topic-plan.ts"
import { TopicReadings } from "./topic-readings.ts"

/** Why a payload gave no readings; continues a sentence that began with "the payload". */
export interface Refusal {
  readonly reason: string
}

/** What one topic means. Remembers names that its payloads brought: keep it as long as the topic is in use. */
export interface TopicMapping {
  /** Name of the mapping that takes the topic. */
  readonly name: string
  /** Where the topic alone names it; undefined where payloads may name others. */
  readonly device: string | undefined
  /**
   * Adds the readings of a payload, `bytes` from `start` to `end`. Their time is the payload's own or `receivedUs`.
   * @param principal whose devices may be limited; left out where its caller has checked {@link device}.
   * @returns how many were added; 0 for an empty payload, which is how retained messages are cleared.
   */
  add(
    batch: ReadingBatch,
    bytes: Buffer,
    start: number,
    end: number,
    receivedUs: number,
    principal?: Principal,
  ): number | Refusal
}

export interface Mapper {
  /**
   * What a topic means; undefined when messages on it are no readings. For its caller to remember per topic and content
   * type. Throws nothing.
   * @param contentType of MQTT 5: `application/senml+json` and `application/json` are heeded, others ignored.
   */
  resolve(topic: string, contentType?: string): TopicMapping | undefined
  /** Why {@link resolve} finds no meaning for a topic; undefined when it finds one. */
  whyNot(topic: string): string | undefined
}

export interface MapperOptions {
  /** The first that fits a topic wins. Their patterns and templates are well-formed, as the configuration checks. */
  readonly mappings: readonly MappingSettings[]
  readonly series: SeriesCache
  readonly limits?: PayloadLimits
}

type Found =
  | { readonly plan: TopicPlan }
  | { readonly refusal: { readonly name: string; readonly reason: string } }
  | { readonly none: string }

export function createMapper({ mappings, series, limits = defaultPayloadLimits }: MapperOptions): Mapper {
  const rules = mappings.map(compileMapping)
  const shared = { series, limits, decimal: new DecimalReader(), stage: new Stage(), scopes: new DeviceScopes() }
  return {
    resolve(topic, contentType) {
      const found = find(rules, topic)
      if ("none" in found) return undefined
      if ("refusal" in found) return new RefusingTopic(found.refusal)
      return new TopicReadings(withContentType(found.plan, contentType), shared)
    },
    whyNot(topic) {
      const found = find(rules, topic)
      return "none" in found ? found.none : undefined
    },
  }
}

/** What a topic means (T3). */
function find(rules: readonly Rule[], topic: string): Found {
  const reserved = reservedReason(topic)
  if (reserved !== undefined) return { none: reserved }
  const levels = topic.split("/")
  for (const rule of rules) {
    const captures: Captures | undefined = matchPattern(rule.pattern, topic, levels)
    if (captures === undefined) continue
    const { name, payload } = rule.settings
    if (payload === "none") return { none: `the mapping ${name} says that its messages are no readings` }
    return checked(planOf(rule, captures))
  }
  const plan = defaultPlan(topic)
  return plan === undefined ? { none: "no mapping takes it, and it is not below devices/" } : checked(plan)
}

function checked(plan: TopicPlan): Found {
  const reason = planProblem(plan)
  return reason === undefined ? { plan } : { refusal: { name: plan.name, reason } }
}

/** What the sender says of its payload counts where the mapping leaves it open. */
function withContentType(plan: TopicPlan, contentType: string | undefined): TopicPlan {
  if (contentType === undefined || plan.payload !== "auto") return plan
  const type = contentType.split(";", 1)[0]!.trim().toLowerCase()
  if (type === "application/senml+json") return { ...plan, payload: "senml" }
  return type === "application/json" ? { ...plan, payload: "json" } : plan
}
