/**
 * Numbers about the node for Prometheus, in its text format 0.0.4.
 *
 * Invariants:
 * - M1 A name has one meaning: registering it twice or malformed is a fault of the program and throws.
 * - M2 Memory is bounded: a counter keeps at most `mostLabelSets` label sets; what comes beyond counts as `other`.
 * - M3 A gauge that cannot be read leaves its sample out; the others are still exposed.
 *
 * It is not prom-client: its import costs 10 MB of resident memory and 78 ms at start for what is a page of code here.
 */
import type { Counter, Histogram, Metrics } from "@brume/core"

export interface Registry extends Metrics {
  /** A counter that somebody else counts; `read` is called when somebody scrapes. */
  total(name: string, help: string, read: () => number): void
  /** All metrics as `text/plain; version=0.0.4`. */
  expose(): Promise<string>
}

type Labels = Readonly<Record<string, string>>

/** One metric with all its samples, which are lines when somebody scrapes. */
interface Family {
  readonly head: string
  lines(): string[]
}

const mostLabelSets = 1_000

export function createMetrics(): Registry {
  const families = new Map<string, Family>()

  const register = (type: string, name: string, help: string, lines: () => string[]) => {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new TypeError(`Metric name ${name} is malformed`)
    if (families.has(name)) throw new TypeError(`Metric ${name} is registered twice`)
    const safeHelp = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
    families.set(name, { head: `# HELP ${name} ${safeHelp}\n# TYPE ${name} ${type}\n`, lines })
  }

  return {
    counter(name, help, labels = []) {
      const counter = new LabelledCounter(labels)
      register("counter", name, help, () => counter.lines(name))
      return counter
    },
    gauge: (name, help, read) => register("gauge", name, help, () => [`${name} ${numeral(read())}`]),
    gauges: (name, help, label, read) =>
      register("gauge", name, help, () =>
        Object.entries(read()).map(([value, size]) => `${name}{${label}="${escapeLabel(value)}"} ${numeral(size)}`),
      ),
    total: (name, help, read) => register("counter", name, help, () => [`${name} ${numeral(read())}`]),
    histogram(name, help, bucketBounds) {
      const histogram = new BucketHistogram(bucketBounds)
      register("histogram", name, help, () => histogram.lines(name))
      return histogram
    },
    async expose() {
      return [...families.values()].map(showFamily).join("")
    },
  }
}

class LabelledCounter implements Counter {
  readonly #names: readonly string[]
  /** By the exposed form of the labels. */
  readonly #totals = new Map<string, number>()

  constructor(names: readonly string[]) {
    this.#names = names
    // Without labels there is one sample, which is there from the start.
    if (names.length === 0) this.#totals.set("", 0)
  }

  add(value: number, labels?: Labels): void {
    const form = this.#form(labels)
    const known = this.#totals.has(form) || this.#totals.size < mostLabelSets
    const key = known ? form : this.#form(Object.fromEntries(this.#names.map((name) => [name, "other"])))
    this.#totals.set(key, (this.#totals.get(key) ?? 0) + value)
  }

  lines(name: string): string[] {
    return [...this.#totals].map(([form, total]) => `${name}${form} ${numeral(total)}`)
  }

  #form(labels: Labels | undefined): string {
    if (this.#names.length === 0) return ""
    return `{${this.#names.map((name) => `${name}="${escapeLabel(labels?.[name] ?? "")}"`).join(",")}}`
  }
}

class BucketHistogram implements Histogram {
  readonly #bounds: readonly number[]
  /** Observations at or below each bound and above the one before; the last place is above all. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    if (bounds.some((bound, index) => index > 0 && bound <= bounds[index - 1]!))
      throw new TypeError(`Histogram bounds ${bounds.join(", ")} do not rise`)
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let place = 0
    while (place < this.#bounds.length && value > this.#bounds[place]!) place++
    this.#counts[place]!++
    this.#sum += value
  }

  lines(name: string): string[] {
    let below = 0
    const lines = [...this.#bounds, Number.POSITIVE_INFINITY].map((bound, place) => {
      below += this.#counts[place]!
      return `${name}_bucket{le="${numeral(bound)}"} ${below}`
    })
    return [...lines, `${name}_sum ${numeral(this.#sum)}`, `${name}_count ${below}`]
  }
}

function showFamily(family: Family): string {
  try {
    return `${family.head}${family.lines().join("\n")}\n`
  } catch {
    // M3: what cannot be read now is left out, as Prometheus expects of a missing sample.
    return ""
  }
}

function numeral(value: number): string {
  if (Number.isNaN(value)) return "NaN"
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf"
  return String(value)
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
}
