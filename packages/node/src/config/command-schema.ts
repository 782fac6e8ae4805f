/** `devices.commands`: commands of devices that have a language of their own, one object each. */
import {
  parseTopicPattern,
  patternNames,
  payloadTemplateProblem,
  templateProblem,
  topicPatternProblem,
} from "@brume/core"
import { choice, flag, type InnerMistake, optional, required, text } from "./key.ts"
import { objects } from "./list-key.ts"
import type { ValuesOf } from "./members.ts"

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
const plain = /^[^\u0000-\u001f\u007f]{1,512}$/
const maxPayload = 4_096

const payloadKey = (meaning: string) =>
  text({
    meaning,
    fits: new RegExp(`^[^]{0,${maxPayload}}$`),
    form: `a template of at most ${maxPayload} characters`,
    default: "{{input}}",
  })

const commandMapping = {
  name: required(
    text({
      meaning: "Its name in messages.",
      fits: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
      form: "1 to 63 letters, digits, dots, underscores or hyphens",
    }),
    { example: "zigbee" },
  ),
  device: required(
    text({
      meaning:
        "The devices it is for: a filter of their names. A level `{device}` is a `+` with a name, `{rest}` at the end a `#` with one.",
      fits: plain,
      form: "a filter of devices",
    }),
    { example: "zigbee/{device}" },
  ),
  command: optional(text({ meaning: "The one command it is for.", fits: plain, form: "a command" }), {
    meaning: "all",
    example: "set",
  }),
  topic: required(
    text({
      meaning:
        "Template of the topic to which the command goes, with the names of the device's levels and `{command}`.",
      fits: plain,
      form: "a template such as zigbee2mqtt/{device}/set",
    }),
    { example: "zigbee2mqtt/{device}/set" },
  ),
  payload: payloadKey(
    "Template of the payload: `{{input}}` is the input as JSON, `{{text}}` the same with a text as it is, `{{input/member}}` a part of it; `{{device}}`, `{{command}}`, `{{id}}`.",
  ),
  qos: choice({ meaning: "Its quality of service.", default: "1", of: ["0", "1", "2"] }),
  retain: flag({
    meaning: "Whether the broker keeps it for a device that comes later, also beyond the deadline.",
    default: "false",
  }),
  confirm: choice({
    meaning:
      "When the command is done. `state`: when the device tells a state that has in it what was wanted; `none`: when the broker has it, whatever the device makes of it.",
    default: "none",
    of: ["none", "state"],
  }),
  stateTopic: optional(
    text({
      meaning: "Template of the topic on which the device tells its state.",
      fits: plain,
      form: "a template such as zigbee2mqtt/{device}",
    }),
    { meaning: "none; `confirm: state` needs it", example: "zigbee2mqtt/{device}" },
  ),
  expect: optional(
    text({
      meaning: "Template of what the state has to have in it, as JSON or as a text.",
      fits: new RegExp(`^[^]{1,${maxPayload}}$`),
      form: `a template of at most ${maxPayload} characters`,
    }),
    { meaning: "the payload", example: '{"{{command}}": {{input}}}' },
  ),
}

type CommandValue = ValuesOf<typeof commandMapping>

export const commands = objects({
  meaning:
    "Commands of devices that have a language of their own: zigbee2mqtt, Tasmota, Home Assistant. The first that fits is in force; without one a command goes to `devices/<device>/commands/<name>` and waits for a reply.",
  item: "command mapping",
  of: commandMapping,
  most: 256,
  check(item, before) {
    return [...nameMistakes(item, before), ...templateMistakes(item), ...confirmMistakes(item)]
  },
})

function nameMistakes({ name }: Partial<CommandValue>, before: readonly Partial<CommandValue>[]): InnerMistake[] {
  const isTaken = name !== undefined && before.some((other) => other.name === name)
  return isTaken ? [{ path: "name", problem: `is ${name}, as that of an earlier command mapping` }] : []
}

function templateMistakes({ device, topic, payload, stateTopic, expect }: Partial<CommandValue>): InnerMistake[] {
  const mistakes: InnerMistake[] = []
  const add = (path: string, problem: string | undefined): void => {
    if (problem !== undefined) mistakes.push({ path, problem })
  }
  for (const [path, template] of Object.entries({ payload, expect }))
    if (template !== undefined) add(path, payloadTemplateProblem(template))
  if (device === undefined) return mistakes
  const wrong = topicPatternProblem(device)
  add("device", wrong)
  if (wrong !== undefined) return mistakes
  const names = [...patternNames(parseTopicPattern(device)), "command"]
  for (const [path, template] of Object.entries({ topic, stateTopic })) {
    if (template === undefined) continue
    add(path, templateProblem(template, names) ?? topicProblem(template))
  }
  return mistakes
}

function topicProblem(template: string): string | undefined {
  if (/[+#]/.test(template)) return "is no topic: it has + or #"
  return template.startsWith("$") ? "begins with $, as the broker's own topics do" : undefined
}

function confirmMistakes({ confirm, stateTopic, expect }: Partial<CommandValue>): InnerMistake[] {
  if (confirm === "state" && stateTopic === undefined)
    return [{ path: "stateTopic", problem: "is missing: confirm is state" }]
  const idle = stateTopic !== undefined ? "stateTopic" : expect !== undefined ? "expect" : undefined
  return confirm === "none" && idle !== undefined ? [{ path: idle, problem: "has no use: confirm is none" }] : []
}
