/** From a mapping as it is configured to the plan of one topic. */
import {
  type Captures,
  canonicalTags,
  fillTemplate,
  parseTopicPattern,
  patternNames,
  type TopicPattern,
} from "@brume/core"
import { defaultTimeRule, type TimeRule, type TimeUnit } from "./member-time.ts"
import type { Flatten, PayloadKind, Selection, TopicPlan } from "./topic-plan.ts"

/** One mapping of `devices.mappings`, checked there. */
export interface MappingSettings {
  readonly name: string
  /** An MQTT filter whose wildcards may have names. */
  readonly topic: string
  /** Template; `{device}` when the topic has it. */
  readonly device: string | undefined
  /** Template; `{property}` when the topic has it, else members of an object are the properties. */
  readonly property: string | undefined
  readonly payload: PayloadKind
  readonly flatten: Flatten
  /** JSON pointers to members → properties; without any, all members. */
  readonly select: Readonly<Record<string, string>>
  readonly time: {
    readonly member: string | undefined
    readonly unit: TimeUnit
    readonly zone: string | undefined
  }
  /** Templates by the tag's name. */
  readonly tags: Readonly<Record<string, string>>
  readonly multiply: number
  readonly add: number
}

export interface Rule {
  readonly settings: MappingSettings
  readonly pattern: TopicPattern
  readonly select: readonly Selection[] | undefined
  readonly time: TimeRule
}

export function compileMapping(settings: MappingSettings): Rule {
  const select = Object.entries(settings.select).map(([pointer, property]) => ({
    path: pointerPath(pointer),
    property,
  }))
  const { member, unit, zone } = settings.time
  return {
    settings,
    pattern: parseTopicPattern(settings.topic),
    select: select.length === 0 ? undefined : select,
    time: { members: member === undefined ? defaultTimeRule.members : [member], unit, zone },
  }
}

/** Fills a mapping's templates with what its topic has. */
export function planOf({ settings, pattern, select, time }: Rule, captures: Captures): TopicPlan {
  const names = patternNames(pattern)
  const filled = (template: string | undefined, name: string): string | undefined => {
    const own = template ?? (names.includes(name) ? `{${name}}` : undefined)
    return own === undefined ? undefined : fillTemplate(own, captures)
  }
  const tags = Object.entries(settings.tags).map(
    ([name, template]) => [name, fillTemplate(template, captures)] as const,
  )
  const { name, payload, flatten, multiply, add } = settings
  return {
    name,
    device: filled(settings.device, "device"),
    property: filled(settings.property, "property"),
    tags: canonicalTags(Object.fromEntries(tags)),
    payload,
    flatten,
    select,
    time,
    multiply,
    add,
  }
}

/** Keys of a JSON pointer (RFC 6901) that begins with `/`. */
function pointerPath(pointer: string): string[] {
  return pointer
    .slice(1)
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"))
}
