/**
 * How every benchmark here is run: contenders alternate on the same machine, round by round, so that a drift of the
 * machine's speed meets all of them; figures are medians over the rounds, comparisons are medians of per-round ratios.
 */
import { mkdir, writeFile } from "node:fs/promises"
import { arch, cpus, platform, totalmem } from "node:os"
import { fileURLToPath } from "node:url"

/** One measurement: figure name (with its unit last) → number. */
export type Figures = Readonly<Record<string, number>>

export interface Contender {
  readonly name: string
  /** Starts from nothing, measures once, leaves nothing behind. */
  measure(): Promise<Figures>
}

export interface Goal {
  readonly text: string
  /** Computed from the medians and ratios; undefined where a peer is missing. */
  readonly measured: number | undefined
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number }
}

export interface Summary {
  /** Contender → figure → all rounds, and their median. */
  readonly figures: Readonly<Record<string, Readonly<Record<string, { median: number; rounds: number[] }>>>>
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value below which `share` (0 to 1) of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export async function runRounds(contenders: readonly Contender[], rounds: number): Promise<Summary> {
  const collected: Record<string, Record<string, number[]>> = {}
  for (let round = 0; round < rounds; round++) {
    // Every other round runs backwards: whoever comes second on a warm machine takes turns.
    for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      process.stderr.write(`round ${round + 1}/${rounds}: ${contender.name} …`)
      const figures = await contender.measure()
      process.stderr.write(
        ` ${Object.entries(figures)
          .map(([name, value]) => `${name}=${shown(value)}`)
          .join(" ")}\n`,
      )
      collected[contender.name] ??= {}
      const own = collected[contender.name]!
      for (const [name, value] of Object.entries(figures)) own[name] = [...(own[name] ?? []), value]
    }
  }
  const figures = Object.fromEntries(
    Object.entries(collected).map(([contender, own]) => [
      contender,
      Object.fromEntries(
        Object.entries(own).map(([name, values]) => [name, { median: median(values), rounds: values }]),
      ),
    ]),
  )
  return { figures }
}

/** Median over the rounds of `a / b`, or undefined when one of them did not take part. */
export function ratio(summary: Summary, figure: string, a: string, b: string): number | undefined {
  const above = summary.figures[a]?.[figure]?.rounds
  const below = summary.figures[b]?.[figure]?.rounds
  if (above === undefined || below === undefined) return undefined
  return median(above.map((value, round) => value / below[round]!))
}

export function medianOf(summary: Summary, contender: string, figure: string): number | undefined {
  return summary.figures[contender]?.[figure]?.median
}

/** Prints figures and goals, and writes `bench/results/<name>.json`. */
export async function report(
  name: string,
  summary: Summary,
  options: { readonly goals: readonly Goal[]; readonly limits: Figures; readonly notes?: readonly string[] },
): Promise<void> {
  console.log(`\n# ${name}: medians of all rounds`)
  for (const [contender, figures] of Object.entries(summary.figures)) {
    console.log(contender)
    for (const [figure, { median: value, rounds }] of Object.entries(figures)) {
      console.log(
        `  ${figure.padEnd(44)} ${shown(value).padStart(12)}   (${shown(Math.min(...rounds))} … ${shown(Math.max(...rounds))})`,
      )
    }
  }
  console.log("physical limits, same run")
  for (const [figure, value] of Object.entries(options.limits))
    console.log(`  ${figure.padEnd(44)} ${shown(value).padStart(12)}`)
  const goals = options.goals.map((goal) => ({ ...goal, met: isMet(goal) }))
  console.log("goals")
  for (const goal of goals) {
    const wanted = "atLeast" in goal.wanted ? `≥ ${goal.wanted.atLeast}` : `≤ ${goal.wanted.atMost}`
    const verdict = goal.met === undefined ? "not measured" : goal.met ? "met" : "NOT MET"
    console.log(
      `  ${verdict.padEnd(12)} ${goal.text}: ${goal.measured === undefined ? "–" : shown(goal.measured)} (wanted ${wanted})`,
    )
  }
  for (const note of options.notes ?? []) console.log(`note: ${note}`)
  const folder = fileURLToPath(new URL("../results/", import.meta.url))
  await mkdir(folder, { recursive: true })
  const machine = {
    node: process.version,
    system: `${platform()} ${arch()}`,
    processors: cpus().length,
    model: cpus()[0]?.model ?? "unknown",
    memoryBytes: totalmem(),
  }
  const content = {
    name,
    measured: new Date().toISOString(),
    machine,
    ...summary,
    limits: options.limits,
    goals,
    notes: options.notes ?? [],
  }
  await writeFile(`${folder}${name}.json`, `${JSON.stringify(content, null, 2)}\n`)
}

function isMet(goal: Goal): boolean | undefined {
  if (goal.measured === undefined) return undefined
  return "atLeast" in goal.wanted ? goal.measured >= goal.wanted.atLeast : goal.measured <= goal.wanted.atMost
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US")
  return String(Number(value.toPrecision(3)))
}
