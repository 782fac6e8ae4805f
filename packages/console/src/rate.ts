/** Records per second, from how far a node's sequence has moved. */

/** Window over which the rate is averaged. */
const windowMs = 10_000
/** Fewer answers say little: devices speak in bursts. */
const fewest = 3

export class RateMeter {
  #samples: { readonly at: number; readonly seq: number; readonly epoch: string }[] = []

  /**
   * @param at monotonic time of the answer, ms.
   * @returns records per second, or undefined while too little is known.
   */
  measure(at: number, { epoch, nextSeq }: { readonly epoch: string; readonly nextSeq: number }): number | undefined {
    // Another life of the log counts from its own beginning.
    this.#samples = this.#samples.filter((sample) => sample.epoch === epoch && at - sample.at < windowMs)
    this.#samples.push({ at, seq: nextSeq, epoch })
    const first = this.#samples[0]!
    return this.#samples.length < fewest ? undefined : ((nextSeq - first.seq) * 1_000) / (at - first.at)
  }

  forget(): void {
    this.#samples = []
  }
}
