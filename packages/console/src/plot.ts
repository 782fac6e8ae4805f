/**
 * The chart itself: uPlot with the page's colours. Numbers are a line of averages in a band from lowest to highest;
 * states are steps between their names.
 *
 * P1: the window is set from outside; the chart never zooms or pans by itself.
 * P2: colours come from the style sheet, again whenever the system changes between light and dark.
 */
import uPlot from "uplot"
import { decimalsOf, formatCompact } from "./format.ts"

export interface PlotShape {
  /** Names of the states, from bottom to top; undefined for numbers. */
  readonly states: readonly string[] | undefined
  /** Index of the row under the cursor, or undefined. */
  readonly onCursor: (index: number | undefined) => void
}

export interface Plot {
  /** s since 1970 UTC, then the columns: average, lowest, highest; or the state's index. */
  show(columns: readonly (readonly (number | null)[])[], window: { readonly from: number; readonly to: number }): void
  /** Moves the cursor by rows, from the last row when it is nowhere. */
  step(rows: number): void
  leave(): void
  close(): void
}

const font = '11.5px Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'

export function createPlot(host: HTMLElement, shape: PlotShape): Plot {
  let last: Parameters<Plot["show"]> | undefined
  let chart = make()
  const scheme = matchMedia("(prefers-color-scheme: dark)")
  const size = (): { width: number; height: number } => ({ width: host.clientWidth, height: host.clientHeight })
  const observer = new ResizeObserver(() => chart.setSize(size()))
  observer.observe(host)
  // P2
  scheme.addEventListener("change", remake)

  function make(): uPlot {
    const style = getComputedStyle(host)
    const color = (name: string): string => style.getPropertyValue(name).trim()
    const options = shape.states === undefined ? numberOptions(color) : stateOptions(color, shape.states)
    const made = new uPlot({ ...options, ...common(color, shape), width: host.clientWidth, height: host.clientHeight })
    host.append(made.root)
    return made
  }

  function remake(): void {
    chart.destroy()
    chart = make()
    if (last !== undefined) plot.show(...last)
  }

  const plot: Plot = {
    show(columns, window) {
      last = [columns, window]
      chart.batch(() => {
        chart.setData(columns as uPlot.AlignedData, false)
        // P1
        chart.setScale("x", { min: window.from, max: window.to })
      })
    },
    step(rows) {
      const count = chart.data[0].length
      if (count === 0) return
      const at = Math.min(count - 1, Math.max(0, (chart.cursor.idx ?? count) + rows))
      chart.setCursor({ left: chart.valToPos(chart.data[0][at]!, "x"), top: chart.over.clientHeight / 2 })
    },
    leave: () => chart.setCursor({ left: -10, top: -10 }),
    close() {
      observer.disconnect()
      scheme.removeEventListener("change", remake)
      chart.destroy()
    },
  }
  // A finger on the chart moves the cursor as a mouse does.
  host.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") return
    const frame = chart.over.getBoundingClientRect()
    chart.setCursor({ left: event.clientX - frame.left, top: event.clientY - frame.top })
  })
  return plot
}

type Color = (name: string) => string
type SomeOptions = Pick<uPlot.Options, "series" | "bands" | "axes" | "scales">

function common(color: Color, shape: PlotShape): Omit<uPlot.Options, "width" | "height" | keyof SomeOptions> {
  return {
    legend: { show: false },
    padding: [14, 20, 0, 0],
    cursor: {
      y: false,
      drag: { x: false, y: false, setScale: false },
      points: { size: 9, width: 2, fill: color("--card"), stroke: color("--accent") },
    },
    hooks: { setCursor: [(chart) => shape.onCursor(chart.cursor.idx ?? undefined)] },
  }
}

function numberOptions(color: Color): SomeOptions {
  const band: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false } }
  return {
    scales: { x: { time: true }, y: { range: (_, low, high) => paddedRange(low, high) } },
    series: [
      {},
      {
        stroke: color("--accent"),
        width: 1.75,
        points: { show: (chart) => chart.data[0].length < 60, size: 5, fill: color("--accent") },
        fill: (chart) => glow(chart, color("--accent")),
        fillTo: (chart) => chart.scales.y?.min ?? 0,
      },
      band,
      band,
    ],
    bands: [{ series: [3, 2], fill: withAlpha(color("--accent"), 0.22) }],
    axes: [
      timeAxis(color),
      axis(color, { size: fittingSize, space: 44, values: (_, splits, _i, _s, step) => numberLabels(splits, step) }),
    ],
  }
}

function stateOptions(color: Color, states: readonly string[]): SomeOptions {
  return {
    scales: { x: { time: true }, y: { range: () => [-0.35, Math.max(0.8, states.length - 0.75)] } },
    series: [
      {},
      {
        stroke: color("--accent"),
        width: 1.75,
        points: { show: false },
        fill: withAlpha(color("--accent"), 0.16),
        fillTo: () => 0,
        paths: uPlot.paths.stepped!({ align: 1 }),
      },
    ],
    axes: [
      timeAxis(color),
      axis(color, {
        size: fittingSize,
        splits: () => states.map((_, index) => index),
        values: (_, splits) => splits.map((split) => shorten(states[split] ?? "")),
      }),
    ],
  }
}

function axis(color: Color, options: uPlot.Axis): uPlot.Axis {
  return {
    font,
    stroke: color("--ink-3"),
    grid: { stroke: withAlpha(color("--ink-3"), 0.16), width: 1 },
    ticks: { show: false },
    gap: 8,
    ...options,
  }
}

function timeAxis(color: Color): uPlot.Axis {
  return axis(color, {
    grid: { show: false },
    ticks: { show: true, size: 4, width: 1, stroke: color("--line-strong") },
    space: 70,
    size: 34,
    values: (_, splits, _index, _space, step) => splits.map((at, index) => timeLabel(at * 1_000, step, index === 0)),
  })
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" })

function timeLabel(at: number, stepSeconds: number, isFirst: boolean): string {
  if (stepSeconds < 60) return seconds.format(at)
  const isMidnight = new Date(at).getHours() === 0 && new Date(at).getMinutes() === 0
  return stepSeconds >= 86_400 || (isMidnight && !isFirst) ? day.format(at) : clock.format(at)
}

/** Never flat: a constant value lies in the middle of a range that fits its size. */
function paddedRange(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1]
  const span = high - low
  const pad = span === 0 ? Math.max(1, Math.abs(high) * 0.1) : span * 0.12
  return [low - pad, high + pad]
}

/** All with the decimals that the step needs. */
function numberLabels(splits: readonly number[], step: number): string[] {
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9), decimalsOf(step))
  return splits.map((split) =>
    Math.abs(split) >= 1e6 ? formatCompact(split) : split.toFixed(Math.min(6, decimals)).replace("-", "\u2212"),
  )
}

/** As wide as the longest label. */
function fittingSize(chart: uPlot, values: string[] | null, index: number, cycle: number): number {
  const known = (chart.axes[index] as uPlot.Axis & { _size?: number })._size
  if (cycle > 1 && known !== undefined) return known
  const longest = (values ?? []).reduce((longer, value) => (value.length > longer.length ? value : longer), "")
  chart.ctx.font = font.replace("11.5px", `${11.5 * devicePixelRatio}px`)
  return Math.ceil(chart.ctx.measureText(longest).width / devicePixelRatio) + 18
}

function glow(chart: uPlot, color: string): CanvasGradient {
  const gradient = chart.ctx.createLinearGradient(0, chart.bbox.top, 0, chart.bbox.top + chart.bbox.height)
  gradient.addColorStop(0, withAlpha(color, 0.16))
  gradient.addColorStop(1, withAlpha(color, 0))
  return gradient
}

/** @param color `#rrggbb` */
function withAlpha(color: string, alpha: number): string {
  return `${color}${Math.round(alpha * 255)
    .toString(16)
    .padStart(2, "0")}`
}

function shorten(text: string): string {
  return text.length > 16 ? `${text.slice(0, 15)}…` : text
}
