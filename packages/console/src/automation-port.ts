/** What happens by itself on the node, as this page needs it, over the SDK. */
import type { AlarmView, BrumeClient, CommandView, DocumentView, FunctionView } from "@brume/sdk"
import type { Alarm, AlarmEvents, Command, FunctionInfo, NodePort, Rule } from "./node-port.ts"

type Automation = Pick<
  NodePort,
  "alarms" | "liveAlarms" | "acknowledge" | "silence" | "clear" | "rules" | "functions" | "logs" | "commands"
>

/** Lines of a function that were said before somebody looked. */
const pastLines = 200

export function createAutomation(client: BrumeClient): Automation {
  return {
    alarms: async (signal) => (await client.alarms.list({ signal })).map(alarmOf),
    liveAlarms: (events) => liveAlarms(client, events),
    acknowledge: async (id) => void (await client.alarms.acknowledge(id)),
    silence: async (id, forMs) => void (await client.alarms.silence(id, new Date(Date.now() + forMs))),
    clear: async (id) => void (await client.alarms.clear(id)),
    async rules(signal) {
      const rules: Rule[] = []
      for await (const document of client.documents.list({ kind: "Rule", signal })) rules.push(ruleOf(document))
      return rules
    },
    functions: async () => (await client.functions.list()).map(functionOf),
    async *logs(name, signal) {
      for await (const { time, level, message } of client.functions.logs(name, {
        limit: pastLines,
        follow: true,
        signal,
      }))
        yield { time: Date.parse(time), level, text: message }
    },
    async commands(most, signal) {
      const found: Command[] = []
      for await (const one of client.commands.list({ pageSize: most, signal })) {
        found.push(commandOf(one))
        if (found.length === most) break
      }
      return found
    },
  }
}

function liveAlarms(client: BrumeClient, events: AlarmEvents): () => void {
  const subscription = client.alarms.live()
  const follow = async (): Promise<void> => {
    for await (const update of subscription) {
      if (update.type === "event") events.alarm(alarmOf(update.event.alarm))
      else events.gap()
    }
  }
  // It ends with the page, or with the token, of which the stream of readings tells.
  follow().catch(() => {})
  return () => void subscription.close()
}

function alarmOf(view: AlarmView): Alarm {
  const { id, alarm, device, state, severity, message, source, raised, cleared, count, acknowledged, silenced } = view
  return {
    ...{ id, name: alarm, device, state, severity, message, source, count },
    raised: Date.parse(raised),
    cleared: cleared === undefined ? undefined : Date.parse(cleared),
    acknowledgedBy: acknowledged?.by,
    silencedUntil: silenced === undefined ? undefined : Date.parse(silenced.until),
  }
}

interface RuleSpec {
  readonly on?: Readonly<Record<string, unknown>>
  readonly enabled?: boolean
}

function ruleOf({ metadata, spec, status }: DocumentView): Rule {
  const { on = {}, enabled = true } = spec as RuleSpec
  const number = (name: string): number => (typeof status[name] === "number" ? status[name] : 0)
  const text = (name: string): string | undefined => (typeof status[name] === "string" ? status[name] : undefined)
  const lastFired = text("lastFired")
  return {
    name: metadata.name,
    on: sourceOf(on),
    isEnabled: enabled,
    pending: number("pending"),
    active: number("active"),
    fired: number("fired"),
    lastFired: lastFired === undefined ? undefined : Date.parse(lastFired),
    failures: number("failed") + number("conditionFailures") + (status.mistakes?.length ?? 0),
    lastFailure: status.mistakes?.[0]?.problem ?? text("lastFailure") ?? text("lastConditionFailure"),
  }
}

function sourceOf({ device, property, topic, schedule, timeZone, sun }: Readonly<Record<string, unknown>>): string {
  if (device !== undefined) return property === undefined ? String(device) : `${property} of ${device}`
  if (topic !== undefined) return String(topic)
  if (schedule !== undefined) return timeZone === undefined ? String(schedule) : `${schedule} (${timeZone})`
  return String(sun ?? "")
}

function functionOf(view: FunctionView): FunctionInfo {
  const { name, state, sandbox = "unsandboxed", version, versions, calls, failed, failures, reason } = view
  const runtime = versions.find((one) => one.version === version)?.spec.runtime ?? ""
  const lastError = reason ?? failures.at(-1)?.message
  return { name, state, sandbox, version, runtime, calls, failures: failed, lastError }
}

function commandOf(view: CommandView): Command {
  const { id, device, command, input, source, state, created, ended, error, output } = view
  const answer = error?.message ?? (output === undefined || output === null ? undefined : JSON.stringify(output))
  return {
    ...{ id, device, command, source, state, answer },
    input: JSON.stringify(input),
    created: Date.parse(created),
    ended: ended === undefined ? undefined : Date.parse(ended),
  }
}
