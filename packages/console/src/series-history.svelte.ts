/** The chart's data of one series and range: history from SQL, then its live tail. */
import { isFogError } from "@brume/sdk"
import {
  addToBuckets,
  addToChanges,
  type Bucket,
  bucketsStatement,
  type Change,
  changesStatement,
  columnsOf,
  parseBuckets,
  parseChanges,
  type Range,
  type Summary,
  statesOf,
  summaryOf,
} from "./history.ts"
import type { Point, SeriesId } from "./series.ts"
import type { Watch } from "./watch.svelte.ts"

export interface ChartRows {
  readonly columns: readonly (readonly (number | null)[])[]
  /** s since 1970 UTC. */
  readonly window: { readonly from: number; readonly to: number }
  readonly states: readonly string[] | undefined
  readonly summary: Summary | undefined
  readonly changes: number
}

export interface SeriesHistoryOptions {
  readonly watch: Watch
  readonly id: SeriesId
  readonly range: Range
  /** Text or JSON instead of numbers. */
  readonly isState: boolean
}

/** Live points that wait while SQL answers. */
const maxWaiting = 10_000

export class SeriesHistory {
  isLoading: boolean = $state(true)
  failure: Error | undefined = $state.raw(undefined)
  /** SQL is not for this token, which sees only some devices: there is no history. */
  isLiveOnly: boolean = $state(false)
  /** Counts what changed the data, so that the chart is drawn again. */
  #version: number = $state(0)
  #buckets: Bucket[] = []
  #changes: Change[] = []
  #waiting: Point[] | undefined = []
  readonly #options: SeriesHistoryOptions
  readonly #ending = new AbortController()
  readonly #endPoints: () => void

  constructor(options: SeriesHistoryOptions) {
    this.#options = options
    this.#endPoints = options.watch.onPoints(options.id, (points) => this.#take(points))
    void this.#load()
  }

  close(): void {
    this.#ending.abort()
    this.#endPoints()
  }

  get isEmpty(): boolean {
    void this.#version
    return this.#buckets.length + this.#changes.length === 0
  }

  /** What the chart shows at this moment. */
  rows(now: number): ChartRows {
    void this.#version
    const { range, isState } = this.#options
    const window = { from: (now - range.spanMs) / 1_000, to: now / 1_000 }
    if (isState) return stateRows(this.#changes, window)
    const buckets = this.#buckets.filter((bucket) => bucket.start >= now - range.spanMs - range.bucketMs)
    const { time, mean, low, high } = columnsOf(buckets, range.bucketMs)
    return {
      columns: [time, mean, low, high],
      window,
      states: undefined,
      summary: summaryOf(buckets),
      changes: 0,
    }
  }

  async #load(): Promise<void> {
    const { watch, id, range, isState } = this.#options
    const from = Math.floor((Date.now() - range.spanMs) / range.bucketMs) * range.bucketMs
    try {
      const statement = isState ? changesStatement(id, from) : bucketsStatement(id, from, range.bucketMs)
      const rows = await watch.port.rows(statement, this.#ending.signal)
      if (isState) this.#changes = parseChanges(rows, from)
      else this.#buckets = parseBuckets(rows)
    } catch (error) {
      if (this.#ending.signal.aborted) return
      if (isFogError(error, "forbidden")) this.isLiveOnly = true
      else this.failure = error as Error
    }
    this.isLoading = false
    this.#join()
  }

  /** Live points behind the history. Those that SQL has seen already are told by their time. */
  #join(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    const last = this.#buckets.at(-1)?.start ?? this.#changes.at(-1)?.start ?? 0
    this.#take(waiting.filter((point) => point.time > last + this.#options.range.bucketMs))
    this.#version++
  }

  #take(points: readonly Point[]): void {
    if (this.#waiting !== undefined) {
      this.#waiting = [...this.#waiting, ...points].slice(-maxWaiting)
      return
    }
    for (const point of points) {
      if (this.#options.isState) addToChanges(this.#changes, point)
      else addToBuckets(this.#buckets, point, this.#options.range.bucketMs)
    }
    if (points.length > 0) this.#version++
  }
}

function stateRows(changes: readonly Change[], window: ChartRows["window"]): ChartRows {
  const states = statesOf(changes, window.to * 1_000)
  const time = changes.map((change) => change.start / 1_000)
  const index = changes.map((change) => {
    const at = states.indexOf(change.state)
    return at < 0 ? null : at
  })
  // The last state lasts until now.
  if (time.length > 0) {
    time.push(Math.max(window.to, time.at(-1)!))
    index.push(index.at(-1)!)
  }
  return { columns: [time, index], window, states, summary: undefined, changes: Math.max(0, changes.length - 1) }
}
