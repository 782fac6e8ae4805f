/** One series as the page shows it: its latest reading, and the recent points of its small line. */
import { decimalsOf } from "./format.ts"
import { keyOf, type Point, readTags, type SeriesId } from "./series.ts"

/** Points of the small line: half an hour at one per 30 s, and the live ones behind it. */
const maxSpark = 90
/** Live points closer than this replace each other. */
const sparkStepMs = 10_000

export class LiveSeries {
  readonly id: SeriesId
  readonly key: string
  /** It began with a number: numbers stand before states. */
  readonly isNumber: boolean
  readonly unit: string
  /** Tags besides the unit, `name=value`. */
  readonly tags: readonly string[]
  latest: Point = $state.raw({ time: 0, value: null, text: null })
  spark: readonly Point[] = $state.raw([])
  /** Counts the updates, for the short glow of a value that changed. */
  changes: number = $state(0)
  /** Most decimals that a reading had so far. */
  decimals: number = $state(0)

  constructor(id: SeriesId, isNumber: boolean) {
    this.id = id
    this.isNumber = isNumber
    this.key = keyOf(id)
    const { unit, others } = readTags(id.tags)
    this.unit = unit
    this.tags = others
  }

  /** The newest of a portion. A late reading is history, not the latest. */
  update(points: readonly Point[]): void {
    let latest = this.latest
    for (const point of points) if (point.time >= latest.time) latest = point
    if (latest === this.latest) return
    const hasChanged = latest.value !== this.latest.value || latest.text !== this.latest.text
    this.latest = latest
    if (latest.value !== null) this.decimals = Math.max(this.decimals, decimalsOf(latest.value))
    if (hasChanged) this.changes++
    if (latest.value !== null) this.#extend(latest)
  }

  /** Puts history before what came live meanwhile. */
  seed(points: readonly Point[]): void {
    const last = points.at(-1)?.time ?? 0
    this.spark = [...points, ...this.spark.filter((point) => point.time > last)].slice(-maxSpark)
  }

  #extend(point: Point): void {
    const before = this.spark.at(-2)
    const isClose = before !== undefined && point.time - before.time < sparkStepMs
    this.spark = [...(isClose ? this.spark.slice(0, -1) : this.spark), point].slice(-maxSpark)
  }
}

export class LiveDevice {
  readonly name: string
  series: readonly LiveSeries[] = $state.raw([])

  constructor(name: string) {
    this.name = name
  }

  get lastTime(): number {
    return Math.max(0, ...this.series.map((series) => series.latest.time))
  }
}
