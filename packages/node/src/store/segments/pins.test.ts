import { SeededRandom } from "@brume/testkit"
import { expect, test } from "vitest"
import { type Pin, Pins } from "./pins.ts"

test("a retired file is unlinked at once when nobody holds a pin", () => {
  const unlinked: string[] = []
  const pins = new Pins((path) => unlinked.push(path))
  pins.retire(["a", "b"])
  expect(unlinked).toEqual(["a", "b"])
})

test("a file goes exactly when the last pin that was taken before its retirement is released", () => {
  const random = new SeededRandom(1)
  const unlinked = new Set<string>()
  const pins = new Pins((path) => {
    expect(unlinked.has(path), "unlinked twice").toBe(false)
    unlinked.add(path)
  })
  const held = new Map<Pin, number>()
  const retired: { path: string; at: number }[] = []
  for (let now = 0; now < 400; now++) {
    const what = random.below(3)
    if (what === 0) held.set(pins.pin(), now)
    if (what === 1) {
      retired.push({ path: `f${now}`, at: now })
      pins.retire([`f${now}`])
    }
    if (what === 2 && held.size > 0) {
      const pin = random.pick([...held.keys()])
      pin.release()
      pin.release()
      held.delete(pin)
    }
    const oldest = Math.min(Number.POSITIVE_INFINITY, ...held.values())
    for (const { path, at } of retired) expect(unlinked.has(path), path).toBe(at < oldest)
  }
  for (const pin of held.keys()) pin.release()
  expect(unlinked.size).toBe(retired.length)
  expect(pins.waiting).toBe(0)
})
