/** `devices.mappings`: what topics and payloads of MQTT messages mean as readings, one object each. */
import { parseTopicPattern, patternNames, templateProblem, topicPatternProblem } from "@brume/core"
import { choice, decimal, type InnerMistake, optional, required, section, text } from "./key.ts"
import { objects, pairs } from "./list-key.ts"
import type { ValuesOf } from "./members.ts"

/** Templates, topics and names: anything but control characters, of a length that readings can have. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
const plain = /^[^\u0000-\u001f\u007f]{1,512}$/

const mapping = {
  name: required(
    text({
      meaning: "Its name in messages and in `brume test-mapping`.",
      fits: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
      form: "1 to 63 letters, digits, dots, underscores or hyphens",
    }),
    { example: "tasmota" },
  ),
  topic: required(
    text({
      meaning:
        "The topics it takes: an MQTT filter. A level `{line}` is a `+` with a name, `{rest}` at the end a `#` with one.",
      fits: plain,
      form: "a topic filter",
    }),
    { example: "tele/{device}/SENSOR" },
  ),
  device: optional(
    text({
      meaning: "Template of the device's name, in which `{line}` is what that level of the topic has.",
      fits: plain,
      form: "a template such as {line}/{device}",
    }),
    { meaning: "`{device}`, which the topic has to name then", example: "tasmota/{device}" },
  ),
  property: optional(
    text({
      meaning:
        "Template of the property. A value has this name; members of an object are called `property.member`, and a member `value` is the property itself.",
      fits: plain,
      form: "a template such as {property}",
    }),
    {
      meaning: "`{property}` where the topic names it; else payloads are objects whose members are the properties",
      example: "sensor",
    },
  ),
  payload: choice({
    meaning:
      "How payloads are read. `auto` takes JSON where it looks like it, else a text; `none` says that messages are no readings.",
    default: "auto",
    of: ["auto", "number", "text", "boolean", "json", "senml", "none"],
  }),
  flatten: choice({
    meaning:
      "What becomes of values inside values: `objects` makes readings of an object's members and keeps arrays as JSON, `all` goes into arrays too (`list.0`), `none` keeps both as JSON.",
    default: "objects",
    of: ["objects", "all", "none"],
  }),
  select: pairs({
    meaning: "Takes these members alone, each by its JSON pointer, and says what their properties are called.",
    names: { fits: /^(\/([^~]|~[01])*){1,32}$/, form: "a JSON pointer such as /ENERGY/Power" },
    values: { fits: plain, form: "a property" },
    most: 256,
    example: '{"/ENERGY/Power": power}',
  }),
  time: section("The time that a payload brings for its readings.", {
    member: optional(
      text({ meaning: "The member of the outermost object that has it.", fits: plain, form: "a member" }),
      { meaning: "the first of `time`, `timestamp`, `ts`", example: "Time" },
    ),
    unit: choice({
      meaning:
        "What a number counts since 1970, or `iso` for texts alone. `auto` takes texts, and numbers by their size: below 1e11 s, 1e14 ms, 1e17 µs, else ns. `none`: no member is the time.",
      default: "auto",
      of: ["auto", "s", "ms", "us", "ns", "iso", "none"],
    }),
    zone: optional(
      text({
        meaning: "Zone of texts that name none.",
        fits: /^(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/,
        form: "Z or an offset such as +01:00",
      }),
      { meaning: "they are refused", example: "+01:00" },
    ),
  }),
  tags: pairs({
    meaning: "Tags of all its readings, as templates.",
    names: { fits: plain, form: "a tag" },
    values: { fits: plain, form: "a template" },
    most: 64,
    example: "{source: tasmota}",
  }),
  multiply: decimal({ meaning: "Every number is multiplied by this.", default: "1" }),
  add: decimal({ meaning: "Then this is added.", default: "0" }),
}

type MappingValue = ValuesOf<typeof mapping>

/** Topics below `devices/` are shown under this name. */
const takenName = "devices"

export const mappings = objects({
  meaning:
    "What topics and payloads of MQTT messages mean as readings. The first that takes a topic wins; topics below `devices/` need none. `brume test-mapping` shows what one does.",
  item: "mapping",
  of: mapping,
  most: 256,
  check(item, before) {
    return [...nameMistakes(item, before), ...topicMistakes(item), ...payloadMistakes(item)]
  },
})

function nameMistakes({ name }: Partial<MappingValue>, before: readonly Partial<MappingValue>[]): InnerMistake[] {
  if (name === takenName) return [{ path: "name", problem: `is ${takenName}, the name of the topics that need none` }]
  const isTaken = name !== undefined && before.some((other) => other.name === name)
  return isTaken ? [{ path: "name", problem: `is ${name}, as that of an earlier mapping` }] : []
}

/** The topic's pattern, and the templates that use its names. */
function topicMistakes({ topic, device, property, payload, tags }: Partial<MappingValue>): InnerMistake[] {
  if (topic === undefined) return []
  const problem = topic.startsWith("$") ? "begins with $, as the broker's own topics do" : topicPatternProblem(topic)
  if (problem !== undefined) return [{ path: "topic", problem }]
  const names = patternNames(parseTopicPattern(topic))
  const templates = { device, property, ...prefixed(tags ?? {}) }
  const mistakes = Object.entries(templates).flatMap(([path, template]) => {
    const wrong = template === undefined ? undefined : templateProblem(template, names)
    return wrong === undefined ? [] : [{ path, problem: wrong }]
  })
  const needsDevice = payload !== "none" && payload !== "senml"
  if (needsDevice && device === undefined && !names.includes("device"))
    mistakes.push({ path: "device", problem: "is missing: give a template, or call a level of the topic {device}" })
  const needsProperty = payload === "number" || payload === "text" || payload === "boolean"
  if (needsProperty && property === undefined && !names.includes("property"))
    mistakes.push({ path: "property", problem: `is missing: a ${payload} has none of its own` })
  return mistakes
}

function payloadMistakes({ payload, select = {} }: Partial<MappingValue>): InnerMistake[] {
  if (payload === undefined || payload === "auto" || payload === "json" || Object.keys(select).length === 0) return []
  return [{ path: "select", problem: `needs JSON, but payload is ${payload}` }]
}

function prefixed(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([name, template]) => [`tags.${name}`, template]))
}
