/** Batches of readings as unlike each other as a seed makes them: all kinds of values, tags, late and equal times. */
import { ReadingBatch, SeriesCache } from "@brume/core"
import type { SeededRandom } from "@brume/testkit"

const texts = ["", "open", "ünïcödé 😀", "quote ' and \" and \\", "line\nbreak", "nul\u0000inside", "x".repeat(300)]
const jsons = ["true", "false", '{"a":[1,2,{"b":null}]}', '"text"', "[]", '{"half":"\\ud83d","whole":"\\ud83d\\ude00"}']
const devices = ["hall/a", "hall/b", "hall/b/1", "d'evice", "x"]
const tagSets = ["{}", '{"floor":"1"}', '{"floor":"2","unit":"°C"}']

export class RandomReadings {
  readonly #random: SeededRandom
  readonly #cache = new SeriesCache(20)
  #time = 1_750_000_000_000_000

  constructor(random: SeededRandom) {
    this.#random = random
  }

  batch(maxRows: number): ReadingBatch {
    const random = this.#random
    const batch = new ReadingBatch(random.below(4) + 1)
    for (let rows = random.below(maxRows) + 1; rows > 0; rows--) this.#add(batch)
    return batch
  }

  #add(batch: ReadingBatch): void {
    const random = this.#random
    const series = this.#cache.get(random.pick(devices), random.pick(["temperature", "door"]), random.pick(tagSets))
    this.#time += random.below(1_000_000)
    const late = random.chance(0.1) ? random.below(86_400_000_000) : 0
    const time = random.chance(0.05) ? 1_750_000_000_000_000 : this.#time - late
    const quality = random.chance(0.2) ? random.below(8) : 0
    const kind = random.below(10)
    if (kind < 6) batch.addNumber(series, time, Math.round(random.unit() * 1e4) / 100, quality)
    else if (kind === 6) batch.addNumber(series, time, (random.unit() - 0.5) * 10 ** random.below(300), quality)
    else if (kind === 7) batch.addText(series, time, random.pick(texts), quality)
    else if (kind === 8) batch.addJson(series, time, random.pick(jsons), quality)
    else
      batch.addBigInteger(
        series,
        time,
        `${random.chance(0.5) ? "-" : ""}9007199254740993${random.below(1000)}`,
        quality,
      )
  }
}
