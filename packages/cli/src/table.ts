/**
 * Rows for people: a table with numbers to the right and columns as wide as needed. Where that is wider than the
 * terminal, long columns are cut; where that would cut too much, each row becomes a list of its columns.
 */
import type { Output } from "./terminal.ts"
import { cutText, textWidth, visible } from "./text-width.ts"

export interface Column {
  readonly title: string
  readonly isNumber?: boolean
  /** What to give up first where the terminal is too narrow; the widest otherwise. */
  readonly isFlexible?: boolean
}

export type Cell = string | number | boolean | null | undefined | object

/** Narrowest that a column is cut to, cells: less says nothing any more. */
const minWidth = 20
const gap = "  "

/** A table whose rows come in portions: the first one decides the widths. */
export class Table {
  readonly #columns: readonly Column[]
  readonly #out: Output
  /** undefined until the first rows; "lists" where no table fits. */
  #layout: readonly number[] | "lists" | undefined
  #count = 0

  constructor(columns: readonly Column[], out: Output) {
    this.#columns = columns
    this.#out = out
  }

  async write(rows: readonly (readonly Cell[])[]): Promise<void> {
    const texts = rows.map((row) => this.#columns.map((_, index) => cellText(row[index])))
    const shown = rows.map((row, index) =>
      row.map((cell, place) => (isMissing(cell) ? this.#out.paint.dim(texts[index]?.[place] ?? "") : undefined)),
    )
    if (this.#layout === undefined) {
      this.#layout = this.#measure(texts)
      if (this.#layout !== "lists") {
        const titles = this.#columns.map(({ title }) => visible(title))
        await this.#out.write(`${this.#out.paint.bold(this.#line(titles, this.#layout))}\n`)
      }
    }
    const layout = this.#layout
    const lines = texts.map((row, index) =>
      layout === "lists" ? this.#list(row, shown[index]) : `${this.#line(row, layout, shown[index])}\n`,
    )
    await this.#out.write(lines.join(""))
  }

  #measure(texts: readonly (readonly string[])[]): readonly number[] | "lists" {
    const widths = this.#columns.map(({ title }, index) => {
      let width = textWidth(visible(title))
      for (const row of texts) width = Math.max(width, textWidth(row[index] ?? ""))
      return width
    })
    return this.#out.columns === undefined ? widths : (squeeze(widths, this.#out.columns, this.#columns) ?? "lists")
  }

  /** One row, a line per column. */
  #list(row: readonly string[], painted: readonly (string | undefined)[] = []): string {
    const width = Math.max(...this.#columns.map(({ title }) => textWidth(title)))
    const head = `── ${++this.#count} ${"─".repeat(12)}`
    const lines = row.map((text, index) => {
      const title = visible(this.#columns[index]?.title ?? "")
      return `${this.#out.paint.bold(title)}${" ".repeat(width - textWidth(title))}${gap}${painted[index] ?? text}`
    })
    return `${this.#out.paint.dim(head)}\n${lines.join("\n")}\n`
  }

  /** @param painted what stands for a cell where it has a colour of its own */
  #line(texts: readonly string[], widths: readonly number[], painted: readonly (string | undefined)[] = []): string {
    const cells = texts.map((text, index) => {
      const width = widths[index] ?? 0
      const cut = this.#out.columns === undefined ? text : cutText(text, width)
      const padding = " ".repeat(Math.max(0, width - textWidth(cut)))
      const shown = cut === text ? (painted[index] ?? cut) : cut
      if (this.#columns[index]?.isNumber === true) return padding + shown
      return index === texts.length - 1 ? shown : shown + padding
    })
    return cells.join(gap).trimEnd()
  }
}

/**
 * Makes the flexible columns, then the widest, narrower until the line fits; undefined when nothing can give way any more.
 */
function squeeze(wanted: readonly number[], columns: number, described: readonly Column[]): number[] | undefined {
  const widths = [...wanted]
  const excess = (): number =>
    widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1) - columns
  for (const isChosen of [(index: number) => described[index]?.isFlexible === true, () => true]) {
    while (excess() > 0) {
      let widest = -1
      for (const [index, width] of widths.entries()) {
        if (isChosen(index) && width > minWidth && width > (widths[widest] ?? 0)) widest = index
      }
      if (widest === -1) break
      const width = widths[widest] ?? 0
      widths[widest] = Math.max(minWidth, width - Math.min(excess(), Math.max(1, Math.floor(width / 8))))
    }
  }
  return excess() > 0 ? undefined : widths
}

const isMissing = (cell: Cell): boolean => cell === null || cell === undefined

function cellText(cell: Cell): string {
  if (cell === undefined) return ""
  if (typeof cell === "string") return visible(cell)
  return typeof cell === "object" && cell !== null ? visible(JSON.stringify(cell)) : String(cell)
}
