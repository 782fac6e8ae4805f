/**
 * The power fails after any change of the files: what is found then has every acknowledged reading once, and none that
 * was never stored.
 */
import type { Reading } from "@brume/core"
import { RecordingDisk, SeededRandom, SilentLogger, type Unsynced, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { emptyFolder, latestOf, openOn, store as put, readingsOf } from "../../../../test/rig/open-store.ts"
import { RandomReadings } from "../../../../test/rig/random-readings.ts"

const isLong = process.env.BRUME_LONG !== undefined
/** Images that are opened; each takes about a fifth of a second. */
const images = isLong ? 1_000 : 14
const timeoutMs = isLong ? 3_600_000 : 120_000

/** What was known when so many changes of files had been made. */
interface Moment {
  readonly changes: number
  readonly acknowledged: number
}

function momentsAround(moments: readonly Moment[], changes: number): { atLeast: number; atMost: number } {
  const before = moments.filter((moment) => moment.changes <= changes).at(-1)
  const after = moments.find((moment) => moment.changes > changes)
  return { atLeast: before?.acknowledged ?? 0, atMost: (after ?? before)?.acknowledged ?? 0 }
}

const modes = (seed: number): Unsynced[] => ["kept", "dropped", { random: new SeededRandom(seed) }]

test(
  "a crash while segments are sealed and merged loses and doubles nothing",
  async () => {
    await using folder = await emptyFolder()
    const recording = new RecordingDisk(folder.disk)
    const random = new SeededRandom(7)
    const readings = new RandomReadings(random)
    const clock = new VirtualClock()
    const logger = new SilentLogger()
    const stored: Reading[] = []
    const moments: Moment[] = []
    const store = await openOn(recording, {
      clock,
      logger,
      log: { fileBytes: 2 ** 14, maxDelayMs: 0, maxPendingBytes: 2 ** 20 },
    })
    for (let step = 0; step < 9; step++) {
      stored.push(...(await put(store, readings.batch(200))))
      moments.push({ changes: recording.length, acknowledged: stored.length })
      if (step === 8) break
      await store.seal()
      // Upkeep merges what there is.
      clock.advance(1_000)
      await store.seal()
    }
    await store.close()
    expect(logger.messages("debug")).toContain("merged segments")
    const last = recording.length
    for (let image = 0; image < images; image++) {
      const changes = isLong ? Math.floor((image * last) / images) : random.below(last + 1)
      const { atLeast, atMost } = momentsAround(moments, changes)
      for (const unsynced of [random.pick(modes(image))]) {
        const message = `image after ${changes} of ${last} changes, unsynced ${JSON.stringify(unsynced)}`
        await using found = await emptyFolder()
        await recording.writeImageAt(changes, unsynced, found.disk)
        await using reopened = await openOn(found.disk)
        const rows = await readingsOf(reopened)
        expect(rows.length, message).toBeGreaterThanOrEqual(atLeast)
        expect(rows.length, message).toBeLessThanOrEqual(atMost)
        expect(rows, message).toEqual(stored.slice(0, rows.length))
        expect(await readingsOf(reopened, "latest"), message).toEqual(latestOf(rows))
        expect(
          reopened.stats().damaged.filter(({ certainty }) => certainty === "acknowledged"),
          message,
        ).toEqual([])
        // It goes on from there: what is sealed now does not clash with what the crash left.
        const more = await put(reopened, readings.batch(20))
        await reopened.seal()
        expect(await readingsOf(reopened), message).toEqual([...rows, ...more])
      }
    }
  },
  timeoutMs,
)

test(
  "what retention dropped does not come back, whenever the power fails",
  async () => {
    await using folder = await emptyFolder()
    const recording = new RecordingDisk(folder.disk)
    const random = new SeededRandom(11)
    const readings = new RandomReadings(random)
    const clock = new VirtualClock()
    const retention = { maxAgeMs: 3_600_000 }
    const segments = { mergeRows: 1_000_000, retention, verifyBytes: 2 ** 30 }
    const store = await openOn(recording, { clock, segments })
    const old = await put(store, readings.batch(100))
    await store.seal()
    // Set by somebody: such a clock must be steady for a while before anything is deleted by it.
    clock.jump(clock.now() + 2 * 3_600_000_000)
    const young = await put(store, readings.batch(100))
    await store.seal()
    const before = recording.length
    clock.advance(10_000)
    await store.seal()
    expect(await readingsOf(store), "the clock has just jumped").toEqual([...old, ...young])
    clock.advance(400_000)
    await store.seal()
    expect(await readingsOf(store), "the old readings are gone").toEqual(young)
    const dropped = recording.length
    await store.close()
    let kept = 0
    for (let changes = before; changes <= recording.length; changes++) {
      await using found = await emptyFolder()
      await recording.writeImageAt(changes, random.pick(modes(changes)), found.disk)
      // Were its clock as late, it would drop them by itself.
      await using reopened = await openOn(found.disk)
      const rows = await readingsOf(reopened)
      if (rows.length > young.length) {
        kept++
        expect(changes, "they came back").toBeLessThan(dropped)
        expect(rows).toEqual([...old, ...young])
      } else expect(rows).toEqual(young)
      expect(await readingsOf(reopened, "latest")).toEqual(latestOf(rows))
    }
    expect(kept, "some images are from before").toBeGreaterThan(0)
  },
  timeoutMs,
)
