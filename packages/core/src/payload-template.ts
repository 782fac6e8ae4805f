/**
 * Payloads of devices that have a language of their own, as templates: `{{input}}` is the command's input as JSON,
 * `{{text}}` the same with a text as it is and nothing for null, and `/member` behind either takes a part of it;
 * `{{device}}`, `{{command}}` and `{{id}}` are texts.
 */
import type { Command, Json } from "./commands.ts"

export type TemplateFacts = Pick<Command, "id" | "device" | "command" | "input">

const placeholder = /\{\{\s*([^{}]*?)\s*\}\}/g
const known = /^(?:input|text)(?:\/[^/\s]*)*$|^(?:device|command|id)$/

/** Why a payload template is malformed; undefined when it is fine. */
export function payloadTemplateProblem(template: string): string | undefined {
  for (const [whole, name = ""] of template.matchAll(placeholder))
    if (!known.test(name))
      return `has ${whole}, but there are {{input}}, {{text}}, {{input/member}}, {{text/member}}, {{device}}, {{command}} and {{id}}`
  return template.replace(placeholder, "").includes("{{") ? "has {{ without its counterpart" : undefined
}

/**
 * Throws a RangeError, whose message continues "cannot be sent: ", where the input lacks a member.
 * @param template has no {@link payloadTemplateProblem}.
 */
export function fillPayload(template: string, facts: TemplateFacts): string {
  return template.replace(placeholder, (_, name: string) => {
    if (name === "device" || name === "command" || name === "id") return facts[name]
    const [form, ...path] = name.split("/")
    const value = memberOf(facts.input, path)
    if (form === "input") return JSON.stringify(value)
    return typeof value === "string" ? value : value === null ? "" : JSON.stringify(value)
  })
}

function memberOf(input: Json, path: readonly string[]): Json {
  let value: Json | undefined = input
  for (const key of path) {
    const members: object = typeof value === "object" && value !== null ? value : {}
    value = Object.hasOwn(members, key) ? (members as Record<string, Json>)[key] : undefined
    if (value === undefined) throw new RangeError(`its input has no member /${path.join("/")}, which the device needs`)
  }
  return value as Json
}
