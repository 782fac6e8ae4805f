/**
 * Readings of one payload before they are added to a batch: only when all of them are good (T1). One stage serves all
 * topics of a mapper; it is not re-entrant and keeps its columns between payloads.
 */
import { type ReadingBatch, type Series, valueKind } from "@brume/core"
import { clockQuality } from "../payload/time.ts"

/** Places that are kept between payloads; a larger payload's are let go. */
const maxRowsKept = 1_024

export class Stage {
  count = 0
  #series: Series[] = []
  readonly #kinds: number[] = []
  readonly #values: number[] = []
  readonly #times: number[] = []
  readonly #payloads: string[] = []
  #stamped = 0

  clear(): void {
    this.count = 0
    this.#stamped = 0
    // Texts are not kept longer than their payload.
    if (this.#payloads.length > 0) this.#payloads.length = 0
  }

  addNumber(series: Series, value: number): void {
    const row = this.count++
    this.#series[row] = series
    this.#kinds[row] = valueKind.number
    this.#values[row] = value
  }

  addText(series: Series, text: string): void {
    this.#addPayload(series, valueKind.text, text)
  }

  addJson(series: Series, json: string): void {
    this.#addPayload(series, valueKind.json, json)
  }

  addBigInteger(series: Series, digits: string): void {
    this.#addPayload(series, valueKind.json | valueKind.number, digits)
  }

  /** Gives a time to all readings that were added since the last call. */
  stamp(timeUs: number): void {
    for (let row = this.#stamped; row < this.count; row++) this.#times[row] = timeUs
    this.#stamped = this.count
  }

  /** Applies a mapping's scale to all numbers. False when one of them is too large for a number then. */
  scale(multiply: number, add: number): boolean {
    for (let row = 0; row < this.count; row++) {
      const kind = this.#kinds[row]!
      if ((kind & valueKind.number) === 0) continue
      const value = kind === valueKind.number ? this.#values[row]! : Number(this.#payloads[row])
      const scaled = value * multiply + add
      if (!Number.isFinite(scaled)) return false
      this.#kinds[row] = valueKind.number
      this.#values[row] = scaled
    }
    return true
  }

  /** The series that were used, for checks; one may stand in it several times. */
  seriesAt(row: number): Series {
    return this.#series[row]!
  }

  /** Adds all readings to a batch; nothing is staged any more. */
  commit(batch: ReadingBatch, receivedUs: number): number {
    const { count } = this
    let time = Number.NaN
    let quality = 0
    for (let row = 0; row < count; row++) {
      const series = this.#series[row]!
      const kind = this.#kinds[row]!
      if (this.#times[row] !== time) {
        time = this.#times[row]!
        quality = clockQuality(time, receivedUs)
      }
      if (kind === valueKind.number) batch.addNumber(series, time, this.#values[row]!, quality)
      else if (kind === valueKind.text) batch.addText(series, time, this.#payloads[row]!, quality)
      else if (kind === valueKind.json) batch.addJson(series, time, this.#payloads[row]!, quality)
      else batch.addBigInteger(series, time, this.#payloads[row]!, quality)
    }
    this.clear()
    if (count > maxRowsKept) this.#series = []
    return count
  }

  #addPayload(series: Series, kind: number, payload: string): void {
    const row = this.count++
    this.#series[row] = series
    this.#kinds[row] = kind
    this.#values[row] = 0
    // Holes would turn the array into a slow one.
    while (this.#payloads.length < row) this.#payloads.push("")
    this.#payloads[row] = payload
  }
}
