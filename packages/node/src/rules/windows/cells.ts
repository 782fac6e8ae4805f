/**
 * Running aggregates in columns. A *cell* is what is known of some readings of one group: of a pane, or of a session. It
 * is a number; emptied cells are taken again, so that steady windows allocate nothing.
 */
import type { Aggregate, Needs } from "./aggregate.ts"
import type { Budget } from "./limits.ts"
import type { Value } from "./select.ts"
import { Values } from "./values.ts"

export interface CellsOptions {
  readonly needs: Needs
  /** Most cells. */
  readonly most: number
  readonly exactValues: number
  readonly budget: Budget
}

/** One reading. */
export interface Sample {
  time: number
  /** NaN where it has no number. */
  value: number
  text: string | undefined
}

interface Texts {
  count: number
  firstTime: number
  first: string
  lastTime: number
  last: string
}

/** Longest text that is kept; longer ones are cut. UTF-16 code units. */
const maxTextLength = 1_024
const firstRoom = 64
/** What a cell costs beside its columns, about: its place in a pane, the object of its values. Bytes. */
const overhead = 120

export class Cells {
  readonly #options: CellsOptions
  readonly #columns: Columns
  readonly #free: number[] = []
  #made = 0
  #whole: number | undefined
  readonly #values: Values[] = []
  readonly #texts: Texts[] = []

  constructor(options: CellsOptions) {
    this.#options = options
    this.#columns = new Columns(options.needs)
  }

  /** Cells that are in use. */
  get used(): number {
    return this.#made - this.#free.length
  }

  /** An empty cell; undefined where there are as many as the limits allow. */
  take(): number | undefined {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#made >= this.#options.most) return undefined
    if (this.#made === this.#columns.room && !this.#grow()) return undefined
    return this.#make()
  }

  give(cell: number): void {
    this.clear(cell)
    this.#free.push(cell)
  }

  clear(cell: number): void {
    this.#columns.clear(cell)
    this.#values[cell]?.clear()
    if (this.#options.needs.texts) this.#texts[cell] = noTexts()
  }

  /** An empty cell in which others are joined for a moment; who used it clears it. */
  get whole(): number {
    this.#whole ??= this.#make()
    return this.#whole
  }

  /** Readings come in the order of the log: of two of the same time the later one is the last. */
  add(cell: number, { time, value, text }: Sample): void {
    const { needs } = this.#options
    this.#columns.add(cell, time, value)
    if (needs.values && !Number.isNaN(value)) this.#values[cell]!.add(value)
    if (needs.texts && text !== undefined) addText(this.#texts[cell]!, time, text)
  }

  /** Adds what another cell knows of other readings, at other times. */
  addAll(cell: number, other: number): void {
    this.#columns.addAll(cell, other)
    const { needs } = this.#options
    if (needs.values) this.#values[cell]!.addAll(this.#values[other]!)
    if (needs.texts) addTexts(this.#texts[cell]!, this.#texts[other]!)
  }

  isApproximate(cell: number): boolean {
    return this.#values[cell]?.isApproximate ?? false
  }

  read(cell: number, aggregates: readonly Aggregate[]): Value[] {
    return aggregates.map((aggregate) => {
      if (aggregate.kind === "quantile") return this.#values[cell]!.quantile(aggregate.fraction, aggregate.isContinuous)
      if ("of" in aggregate && aggregate.of === "text") {
        const { count, first, last } = this.#texts[cell]!
        if (aggregate.kind === "count") return count
        return count === 0 ? undefined : aggregate.kind === "first" ? first : last
      }
      return this.#columns.read(cell, aggregate)
    })
  }

  #make(): number {
    const cell = this.#made++
    if (cell === this.#columns.room) this.#columns.grow(cell + 1)
    this.#columns.clear(cell)
    if (this.#options.needs.values) this.#values.push(new Values(this.#options))
    if (this.#options.needs.texts) this.#texts.push(noTexts())
    return cell
  }

  #grow(): boolean {
    const { room } = this.#columns
    const wanted = room === 0 ? firstRoom : Math.min(room * 2, Math.max(room + 1, this.#options.most))
    const bytes = (wanted - room) * (this.#columns.bytesEach + overhead)
    if (!this.#options.budget.take(bytes)) return false
    this.#columns.grow(wanted)
    return true
  }
}

const columnNames = [
  ...["rows", "count", "sum", "mean", "squares", "min", "max", "minTime", "maxTime"],
  ...["first", "firstTime", "last", "lastTime", "begin", "end"],
] as const

/** The columns of numbers; those that no aggregate needs have no room. */
class Columns {
  room = 0
  readonly #needs: Needs
  readonly #used: ReadonlySet<string>
  rows = new Float64Array(0)
  count = new Float64Array(0)
  sum = new Float64Array(0)
  mean = new Float64Array(0)
  /** Sum of squared distances from the mean. */
  squares = new Float64Array(0)
  min = new Float64Array(0)
  max = new Float64Array(0)
  minTime = new Float64Array(0)
  maxTime = new Float64Array(0)
  first = new Float64Array(0)
  firstTime = new Float64Array(0)
  last = new Float64Array(0)
  lastTime = new Float64Array(0)
  begin = new Float64Array(0)
  end = new Float64Array(0)

  constructor(needs: Needs) {
    this.#needs = needs
    this.#used = new Set([
      ...["rows", "count"],
      ...(needs.sum ? ["sum"] : []),
      ...(needs.moments ? ["mean", "squares"] : []),
      ...(needs.extremes ? ["min", "max"] : []),
      ...(needs.extremeTimes ? ["minTime", "maxTime"] : []),
      ...(needs.ends ? ["first", "firstTime", "last", "lastTime"] : []),
      ...(needs.span ? ["begin", "end"] : []),
    ])
  }

  get bytesEach(): number {
    return this.#used.size * 8
  }

  grow(room: number): void {
    for (const name of columnNames) {
      if (!this.#used.has(name)) continue
      const grown = new Float64Array(room)
      grown.set(this[name])
      this[name] = grown
    }
    this.room = room
  }

  clear(cell: number): void {
    const { extremes, extremeTimes, ends, span, sum, moments } = this.#needs
    this.rows[cell] = 0
    this.count[cell] = 0
    if (sum) this.sum[cell] = 0
    if (moments) {
      this.mean[cell] = 0
      this.squares[cell] = 0
    }
    if (extremes) {
      this.min[cell] = Number.POSITIVE_INFINITY
      this.max[cell] = Number.NEGATIVE_INFINITY
    }
    if (extremeTimes) {
      this.minTime[cell] = Number.POSITIVE_INFINITY
      this.maxTime[cell] = Number.POSITIVE_INFINITY
    }
    if (ends) {
      this.firstTime[cell] = Number.POSITIVE_INFINITY
      this.lastTime[cell] = Number.NEGATIVE_INFINITY
    }
    if (span) {
      this.begin[cell] = Number.POSITIVE_INFINITY
      this.end[cell] = Number.NEGATIVE_INFINITY
    }
  }

  add(cell: number, time: number, value: number): void {
    const { extremes, ends, span, sum, moments } = this.#needs
    this.rows[cell]!++
    if (span) {
      if (time < this.begin[cell]!) this.begin[cell] = time
      if (time > this.end[cell]!) this.end[cell] = time
    }
    if (Number.isNaN(value)) return
    const count = ++this.count[cell]!
    if (sum) this.sum[cell]! += value
    if (moments) {
      const distance = value - this.mean[cell]!
      this.mean[cell]! += distance / count
      this.squares[cell]! += distance * (value - this.mean[cell]!)
    }
    if (extremes) {
      this.#addMin(cell, value, time)
      this.#addMax(cell, value, time)
    }
    if (ends) {
      if (time < this.firstTime[cell]!) {
        this.firstTime[cell] = time
        this.first[cell] = value
      }
      if (time >= this.lastTime[cell]!) {
        this.lastTime[cell] = time
        this.last[cell] = value
      }
    }
  }

  addAll(cell: number, other: number): void {
    const { extremes, extremeTimes, ends, span, sum, moments } = this.#needs
    this.rows[cell]! += this.rows[other]!
    if (span) {
      this.begin[cell] = Math.min(this.begin[cell]!, this.begin[other]!)
      this.end[cell] = Math.max(this.end[cell]!, this.end[other]!)
    }
    const [ours, theirs] = [this.count[cell]!, this.count[other]!]
    if (theirs === 0) return
    const count = ours + theirs
    this.count[cell] = count
    if (sum) this.sum[cell]! += this.sum[other]!
    if (moments) {
      const distance = this.mean[other]! - this.mean[cell]!
      this.mean[cell]! += (distance * theirs) / count
      this.squares[cell]! += this.squares[other]! + (distance * distance * ours * theirs) / count
    }
    if (extremes) {
      this.#addMin(cell, this.min[other]!, extremeTimes ? this.minTime[other]! : 0)
      this.#addMax(cell, this.max[other]!, extremeTimes ? this.maxTime[other]! : 0)
    }
    if (ends) {
      if (this.firstTime[other]! < this.firstTime[cell]!) {
        this.firstTime[cell] = this.firstTime[other]!
        this.first[cell] = this.first[other]!
      }
      if (this.lastTime[other]! >= this.lastTime[cell]!) {
        this.lastTime[cell] = this.lastTime[other]!
        this.last[cell] = this.last[other]!
      }
    }
  }

  read(cell: number, aggregate: Exclude<Aggregate, { kind: "quantile" }>): number | undefined {
    const count = this.count[cell]!
    switch (aggregate.kind) {
      case "rows":
        return this.rows[cell]!
      case "count":
        return count
      case "when":
        return this.#when(cell, aggregate.of)
    }
    if (count === 0) return undefined
    switch (aggregate.kind) {
      case "sum":
        return this.sum[cell]!
      case "avg":
        return this.sum[cell]! / count
      case "min":
      case "max":
      case "first":
      case "last":
        return this[aggregate.kind][cell]!
      case "variance": {
        const of = aggregate.isSample ? count - 1 : count
        if (of === 0) return undefined
        const variance = this.squares[cell]! / of
        return aggregate.isRoot ? Math.sqrt(variance) : variance
      }
    }
  }

  #when(cell: number, of: "min" | "max" | "first" | "last"): number | undefined {
    if (of === "first") return this.begin[cell]!
    if (of === "last") return this.end[cell]!
    if (this.count[cell] === 0) return undefined
    return of === "min" ? this.minTime[cell]! : this.maxTime[cell]!
  }

  /** Of equal values the time is the earliest. */
  #addMin(cell: number, value: number, time: number): void {
    const min = this.min[cell]!
    if (value > min) return
    this.min[cell] = value
    if (this.#needs.extremeTimes && (value < min || time < this.minTime[cell]!)) this.minTime[cell] = time
  }

  #addMax(cell: number, value: number, time: number): void {
    const max = this.max[cell]!
    if (value < max) return
    this.max[cell] = value
    if (this.#needs.extremeTimes && (value > max || time < this.maxTime[cell]!)) this.maxTime[cell] = time
  }
}

const noTexts = (): Texts => ({
  ...{ count: 0, first: "", last: "" },
  ...{ firstTime: Number.POSITIVE_INFINITY, lastTime: Number.NEGATIVE_INFINITY },
})

function addText(texts: Texts, time: number, text: string): void {
  texts.count++
  if (time < texts.firstTime) {
    texts.firstTime = time
    texts.first = text.slice(0, maxTextLength)
  }
  if (time >= texts.lastTime) {
    texts.lastTime = time
    texts.last = text.slice(0, maxTextLength)
  }
}

function addTexts(texts: Texts, others: Texts): void {
  if (others.count === 0) return
  const count = texts.count + others.count
  addText(texts, others.firstTime, others.first)
  addText(texts, others.lastTime, others.last)
  texts.count = count
}
