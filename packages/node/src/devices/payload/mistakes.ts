import { FogError } from "@brume/core"
import { maxMistakesCounted, maxMistakesNamed } from "./limits.ts"

/** One mistake of a payload. */
export interface Mistake {
  /** Where: `[3].values.temperature`, `line 7`, `line 7: time`; empty for the payload as a whole. */
  readonly at: string
  /** What is wrong there; continues a sentence that began with the place. */
  readonly reason: string
}

/** Collects mistakes: keeps the first {@link maxMistakesNamed}, counts the others. */
export class Mistakes {
  readonly named: Mistake[] = []
  count = 0
  readonly #stopAt: number

  /** @param stopAt how many make it pointless to read on; Infinity where the rest is stored nevertheless. */
  constructor(stopAt = maxMistakesCounted) {
    this.#stopAt = stopAt
  }

  /** Enough were found to stop reading, where one is enough to refuse. */
  get isFull(): boolean {
    return this.count >= this.#stopAt
  }

  add(at: string, reason: string): void {
    this.count++
    if (this.named.length < maxMistakesNamed) this.named.push({ at, reason })
  }

  /** @param outcome what became of the payload, e.g. "Nothing was stored". */
  toError(outcome: string, hint?: string): FogError {
    const told = this.named.map(({ at, reason }) => (at === "" ? reason : `${at} ${reason}`))
    const more = this.count - told.length
    if (more > 0) told.push(`and ${this.isFull ? "at least " : ""}${more} more`)
    return new FogError("readings_invalid", {
      message: `${outcome}: ${told.join("; ")}`,
      ...(hint === undefined ? {} : { hint }),
      details: { mistakes: this.named, count: this.count },
    })
  }
}

/** What somebody sent, short enough for a message and without control characters. */
export function excerpt(text: string, length = 40): string {
  const cut = text.length > length ? `${text.slice(0, length).replace(/[\ud800-\udbff]$/, "")}…` : text
  return JSON.stringify(cut)
}
