/** Rows as a table for people: numbers to the right, columns as wide as needed, lines no longer than the terminal. */
import type { Output } from "./terminal.ts"
import { cutText, textWidth, visible } from "./text-width.ts"

export interface Column {
  readonly title: string
  readonly isNumber?: boolean
  /** What to give up first where the terminal is too narrow; the widest otherwise. */
  readonly isFlexible?: boolean
}

export type Cell = string | number | boolean | null | undefined | object

/** Narrowest that a column is squeezed to, cells. */
const minWidth = 8
const gap = "  "

/** A table whose rows come in portions: the first one decides the widths. */
export class Table {
  readonly #columns: readonly Column[]
  readonly #out: Output
  #widths: number[] | undefined

  constructor(columns: readonly Column[], out: Output) {
    this.#columns = columns
    this.#out = out
  }

  async write(rows: readonly (readonly Cell[])[]): Promise<void> {
    const texts = rows.map((row) => this.#columns.map((_, index) => cellText(row[index])))
    if (this.#widths === undefined) {
      this.#widths = this.#measure(texts)
      const titles = this.#columns.map(({ title }) => visible(title))
      await this.#out.write(`${this.#out.paint.bold(this.#line(titles, this.#widths))}\n`)
    }
    const widths = this.#widths
    let lines = ""
    for (const [index, row] of texts.entries()) {
      const dimmed = row.map((text, place) => (isMissing(rows[index]?.[place]) ? this.#out.paint.dim(text) : undefined))
      lines += `${this.#line(row, widths, dimmed)}\n`
    }
    await this.#out.write(lines)
  }

  #measure(texts: readonly (readonly string[])[]): number[] {
    const widths = this.#columns.map(({ title }, index) => {
      let width = textWidth(visible(title))
      for (const row of texts) width = Math.max(width, textWidth(row[index] ?? ""))
      return width
    })
    return this.#out.columns === undefined ? widths : squeeze(widths, this.#out.columns, this.#columns)
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

/** Makes the flexible columns, then the widest, narrower until the line fits or nothing can give way any more. */
function squeeze(wanted: readonly number[], columns: number, described: readonly Column[]): number[] {
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
  return widths
}

const isMissing = (cell: Cell): boolean => cell === null || cell === undefined

function cellText(cell: Cell): string {
  if (cell === undefined) return ""
  if (typeof cell === "string") return visible(cell)
  return typeof cell === "object" && cell !== null ? visible(JSON.stringify(cell)) : String(cell)
}
