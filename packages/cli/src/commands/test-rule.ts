/** `brume test-rule`: when a rule, which need not be applied, would have fired with what a node has stored. */
import { FogError } from "@brume/core"
import type { RuleFiring, RuleTest } from "@brume/sdk"
import { type ConnectionFlags, connect } from "../connection.ts"
import { readTexts } from "../documents/files.ts"
import { usageError } from "../failure.ts"
import { Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { parseSpan, plural } from "../times.ts"

export interface TestRuleFlags extends ConnectionFlags {
  readonly from?: string
  readonly to?: string
  readonly limit?: string
  readonly received?: boolean
  readonly json?: boolean
}

interface Rule {
  readonly name: string
  readonly document: object
}

export async function testRule([file]: readonly [string], flags: TestRuleFlags, terminal: Terminal): Promise<void> {
  const rules = await rulesOf(file, terminal)
  const from = flags.from === undefined ? undefined : momentOf(flags.from, "--from")
  const to = flags.to === undefined ? undefined : momentOf(flags.to, "--to")
  const client = await connect(flags, terminal)
  for (const { name, document } of rules) {
    const test = await client.rules.test(document, {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      by: flags.received === true ? "received" : "time",
      limit: limitOf(flags.limit),
      signal: terminal.signal,
    })
    if (flags.json === true) await terminal.out.write(`${JSON.stringify({ rule: name, ...test })}\n`)
    else {
      if (rules[0]?.name !== name) await terminal.out.write("\n")
      await show(name, test, terminal)
    }
  }
}

async function rulesOf(file: string, terminal: Terminal): Promise<Rule[]> {
  const texts = await readTexts([file], terminal)
  const { readDocuments } = await import("../documents/written.ts")
  const { documents, mistakes } = readDocuments(texts)
  if (mistakes.length > 0)
    throw new FogError("document_invalid", {
      message: mistakes.map((mistake) => `${mistake.file}:${mistake.line}  ${mistake.problem}`).join("\n"),
      hint: "Correct the file.",
      details: { mistakes },
    })
  const rules = documents
    .map(({ value }) => value as { readonly kind?: unknown; readonly metadata?: { readonly name?: unknown } })
    .filter((value) => value?.kind === "Rule")
    .map((value) => ({ name: String(value.metadata?.name ?? "without a name"), document: value as object }))
  if (rules.length > 0) return rules
  throw usageError(
    `There is no rule in ${file}`,
    "A rule is a document with kind: Rule; docs/guide/rules.md shows some.",
  )
}

/** A time, or a span before now. */
function momentOf(text: string, flag: string): Date {
  if (/^\d+(\.\d+)?(ms|s|m|h|d|w)$/.test(text)) return new Date(Date.now() - parseSpan(text, flag))
  const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return new Date(ms)
  throw usageError(
    `${flag} ${JSON.stringify(text)} is no time`,
    "Write it like 2026-01-31T12:00:00Z, or 7d for a week ago.",
  )
}

function limitOf(text: string | undefined): number {
  const limit = Number(text ?? 100)
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= 10_000) return limit
  throw usageError(`--limit ${JSON.stringify(text)} is no number of firings`, "Give a whole number from 1 to 10000.")
}

async function show(name: string, test: RuleTest, { out, notes }: Terminal): Promise<void> {
  const { fired, cleared, readings, strip, firings } = test
  const counts = [
    plural(readings, "reading"),
    `fired ${plural(fired, "time")}`,
    ...(cleared === 0 ? [] : [`cleared ${plural(cleared, "time")}`]),
  ]
  await out.write(`Rule ${name}: ${counts.join(", ")}.\n`)
  if (fired > 0) await out.write(`\n${out.paint.cyan(stripText(strip))}\n${edges(test, strip.length)}\n`)
  if (firings.length > 0) {
    await out.write("\n")
    const columns = [
      ...[{ title: "TIME" }, { title: "WHAT" }, { title: "DEVICE", isFlexible: true }, { title: "PROPERTY" }],
      ...[
        { title: "VALUES", isFlexible: true },
        { title: "ACTIONS", isFlexible: true },
      ],
    ]
    await new Table(columns, out).write(firings.map(rowOf))
  }
  for (const note of test.notes) await notes.write(`${note}\n`)
}

function rowOf({ time, change, device, property, values, actions }: RuleFiring): string[] {
  const shown = Object.entries(values)
    .filter(([name]) => name !== "window_end" && !(name === "revision" && values.revision === 0))
    .map(([name, value]) => (name === "window_start" ? `from ${shortTime(String(value))}` : `${name} ${textOf(value)}`))
  return [shortTime(time), change, device ?? "", property ?? "", shown.join(", "), actions.map(actionText).join("; ")]
}

type Shown = Readonly<Record<string, unknown>> & { readonly type: string }

/** What would have been done, on one line. */
function actionText(action: Shown): string {
  const { type } = action
  switch (type) {
    case "publish":
      return `publish ${action.topic}: ${action.payload}`
    case "command":
      return `command ${action.device}/${action.command} ${textOf(action.input)}`
    case "function":
      return `function ${action.name} ${textOf(action.input)}`
    case "webhook":
      return `webhook ${action.method} ${action.url}`
    case "alarm":
      return `${action.change} alarm ${action.alarm}${action.message === undefined ? "" : `: ${action.message}`}`
    default:
      return JSON.stringify(action)
  }
}

function textOf(value: unknown): string {
  if (typeof value === "number") return String(Math.round(value * 1e6) / 1e6)
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

const bars = "▁▂▃▄▅▆▇█"

/** A bar for each part of the time in which it fired. */
export function stripText(strip: readonly number[]): string {
  const most = Math.max(...strip)
  return strip
    .map((count) =>
      count === 0 ? "·" : bars[Math.min(bars.length - 1, Math.floor((count / most) * (bars.length - 1)))],
    )
    .join("")
}

function edges({ from, to }: RuleTest, width: number): string {
  const [left, right] = [shortTime(from), shortTime(to)]
  return `${left}${" ".repeat(Math.max(1, width - left.length - right.length))}${right}`
}

/** `2025-01-01 12:00:00.250Z`, without ms where there are none. */
function shortTime(time: string): string {
  return time.replace("T", " ").replace(/(?:\.000\d*|(\.\d{3})\d*)Z$/, "$1Z")
}
