/** Colours of a terminal, or none. Only the sixteen that every theme defines. */

export interface Paint {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
}

const painter =
  (on: number, off: number) =>
  (text: string): string =>
    `\u001b[${on}m${text}\u001b[${off}m`

const colourful: Paint = {
  bold: painter(1, 22),
  dim: painter(2, 22),
  red: painter(31, 39),
  green: painter(32, 39),
  yellow: painter(33, 39),
  cyan: painter(36, 39),
}

const plain = (text: string): string => text

export const plainPaint: Paint = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain }

/** https://no-color.org: any text in NO_COLOR means none. */
export function paintFor(environment: Readonly<Record<string, string | undefined>>): Paint {
  const refused = environment.NO_COLOR !== undefined && environment.NO_COLOR !== ""
  return refused || environment.TERM === "dumb" ? plainPaint : colourful
}
