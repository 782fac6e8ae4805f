/** Actions of a rule: their templates compiled, filled when it fires. */
import type { Action, DocumentMistake, Severity } from "@brume/core"
import { parseDuration } from "./duration.ts"
import type { Expressions, Scope } from "./expression/expression.ts"
import { compileJson, compileTemplate, type Template, textOf } from "./expression/template.ts"
import type { ActionSpec } from "./rule-spec.ts"

/** Throws an Error that says which template has no value, and why. */
export type MakeAction = (scope: Scope) => Action

const defaultDeadlineMs = 10_000
const longestDeadlineMs = 86_400_000

export interface ActionContext {
  readonly expressions: Expressions
  readonly mistakes: DocumentMistake[]
  /** What templates read is added here. */
  readonly names: Set<string>
  readonly severity: Severity | undefined
  /** What alarms do where they do not say. */
  readonly change: "raise" | "clear"
  /** Whether there is a device whose alarm it is. */
  readonly hasDevice: boolean
}

interface Compiler {
  text(source: string, name: string): Template
  json(source: unknown, name: string): (scope: Scope) => unknown
  mistake(name: string, problem: string): void
}

export function compileActions(specs: readonly ActionSpec[], path: string, context: ActionContext): MakeAction[] {
  return specs.map((spec, index) => compileAction(spec, compilerOf(`${path}[${index}]`, context), context))
}

function compilerOf(path: string, { expressions, mistakes, names }: ActionContext): Compiler {
  const mistake = (name: string, problem: string): void => void mistakes.push({ path: `${path}.${name}`, problem })
  return {
    mistake,
    text: (source, name) => {
      const template = compileTemplate(source, expressions)
      if (typeof template === "string") {
        mistake(name, template)
        return nothing
      }
      for (const read of template.names) names.add(read)
      return template
    },
    json: (source, name) =>
      compileJson(source, { expressions, names, mistake: (at, problem) => mistake(name + at, problem) }),
  }
}

function compileAction(spec: ActionSpec, compiler: Compiler, context: ActionContext): MakeAction {
  if (spec.publish !== undefined) return compilePublish(spec.publish, compiler)
  if (spec.command !== undefined) return compileCommand(spec.command, compiler)
  if (spec.function !== undefined) {
    const name = compiler.text(spec.function.name, "function.name")
    const input = compiler.json(spec.function.input ?? null, "function.input")
    return (scope) => ({ type: "function", name: name.text(scope), input: input(scope) })
  }
  if (spec.webhook !== undefined) return compileWebhook(spec.webhook, compiler)
  return compileAlarm(spec.alarm!, compiler, context)
}

function compilePublish(publish: NonNullable<ActionSpec["publish"]>, { text, json, mistake }: Compiler): MakeAction {
  const topic = text(publish.topic, "publish.topic")
  const payload = json(publish.payload ?? "", "publish.payload")
  const { qos = 0, retain = false } = publish
  const fixed = publish.topic.replace(/\{\{.*?\}\}/g, "")
  if (/[+#]/.test(fixed)) mistake("publish.topic", "has a wildcard, but messages go to one topic")
  else if (fixed.startsWith("$")) mistake("publish.topic", "begins with $, which is kept for the node itself")
  return (scope) => ({
    ...{ type: "publish", topic: topic.text(scope), payload: textOf(payload(scope)) },
    ...{ qos, retain },
  })
}

function compileCommand(command: NonNullable<ActionSpec["command"]>, { text, json, mistake }: Compiler): MakeAction {
  const device = text(command.device, "command.device")
  const name = text(command.name, "command.name")
  const input = json(command.input ?? null, "command.input")
  const deadlineMs = command.deadline === undefined ? defaultDeadlineMs : (parseDuration(command.deadline) ?? 0)
  if (deadlineMs <= 0 || deadlineMs > longestDeadlineMs)
    mistake("command.deadline", "must be longer than nothing, and at most 1d")
  return (scope) => ({
    ...{ type: "command", device: device.text(scope), command: name.text(scope) },
    ...{ input: input(scope), deadlineMs },
  })
}

function compileAlarm(
  alarm: NonNullable<ActionSpec["alarm"]>,
  { text }: Compiler,
  context: Pick<ActionContext, "change" | "severity" | "hasDevice">,
): MakeAction {
  const name = text(alarm.name, "alarm.name")
  const device = text(alarm.device ?? (context.hasDevice ? "{{ device }}" : ""), "alarm.device")
  const message = text(alarm.message ?? "", "alarm.message")
  const { change = context.change, severity = context.severity } = alarm
  return (scope) => {
    const [of, says] = [device.text(scope), message.text(scope)]
    return {
      ...{ type: "alarm", change, alarm: name.text(scope) },
      ...(of === "" ? {} : { device: of }),
      ...(severity === undefined ? {} : { severity }),
      ...(says === "" ? {} : { message: says }),
    }
  }
}

function compileWebhook(webhook: NonNullable<ActionSpec["webhook"]>, { text, json, mistake }: Compiler): MakeAction {
  const { method = "POST" } = webhook
  const url = text(webhook.url, "webhook.url")
  if (!/^https?:\/\/[^/]/.test(webhook.url) && !webhook.url.startsWith("{{"))
    mistake("webhook.url", "must begin with https:// or http://")
  const body = json(webhook.body ?? "", "webhook.body")
  const isJson = typeof webhook.body === "object"
  const headers = Object.entries(webhook.headers ?? {}).map(
    ([key, value]) => [key, text(value, `webhook.headers.${key}`)] as const,
  )
  const hasType = headers.some(([key]) => key.toLowerCase() === "content-type")
  return (scope) => ({
    type: "webhook",
    url: url.text(scope),
    method,
    headers: {
      ...(isJson && !hasType ? { "content-type": "application/json" } : {}),
      ...Object.fromEntries(headers.map(([key, value]) => [key, value.text(scope)])),
    },
    body: textOf(body(scope)),
  })
}

const nothing: Template = { names: new Set(), text: () => "", value: () => undefined }
