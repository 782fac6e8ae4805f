/**
 * Pins: a file that left the manifest is unlinked when nobody holds a pin any more that was taken before. DuckDB opens
 * the files of a view one after the other while a statement runs, so that an early unlink would make it fail.
 */

export interface Pin {
  /** Idempotent. */
  release(): void
}

export class Pins {
  readonly #unlink: (path: string) => void
  /** Grows with each retirement. */
  #turn = 0
  /** Held pins by the turn at which they were taken, oldest first. */
  readonly #held = new Map<number, number>()
  #retired: { readonly path: string; readonly turn: number }[] = []

  /** @param unlink called once per retired file, as soon as nobody needs it. Must not throw. */
  constructor(unlink: (path: string) => void) {
    this.#unlink = unlink
  }

  /** Files that wait for a pin. */
  get waiting(): number {
    return this.#retired.length
  }

  pin(): Pin {
    const turn = this.#turn
    this.#held.set(turn, (this.#held.get(turn) ?? 0) + 1)
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        const left = this.#held.get(turn)! - 1
        if (left > 0) this.#held.set(turn, left)
        else this.#held.delete(turn)
        this.#sweep()
      },
    }
  }

  /** Call it after the views stopped naming these files. */
  retire(paths: readonly string[]): void {
    this.#turn++
    for (const path of paths) this.#retired.push({ path, turn: this.#turn })
    this.#sweep()
  }

  #sweep(): void {
    // A map keeps the order of insertion, and turns only grow.
    const [oldest = Number.POSITIVE_INFINITY] = this.#held.keys()
    const free = this.#retired.filter(({ turn }) => turn <= oldest)
    if (free.length === 0) return
    this.#retired = this.#retired.filter(({ turn }) => turn > oldest)
    for (const { path } of free) this.#unlink(path)
  }
}
