import fc from "fast-check"
import { expect, test } from "vitest"
import { problem, type ScriptedNode } from "../../../../test/rig/scripted-node.ts"
import { reading, storingNode, valuesOf, writerOf } from "../../../../test/rig/storing-node.ts"

/** Refuses every request that holds a reading of these, naming the lines or not. */

function refusing(node: ScriptedNode, bad: ReadonlySet<number>, isNaming: boolean): void {
  const store = node.answer
  node.answer = (request, response) => {
    const values = valuesOf(request.body)
    const mistakes = values.flatMap((value, index) => (bad.has(value) ? [{ at: `line ${index + 1}: value` }] : []))
    if (mistakes.length === 0) return store(request, response)
    const details = isNaming ? { details: { mistakes, count: mistakes.length } } : {}
    problem(response, 400, { code: "readings_invalid", ...details })
  }
}

test("poison readings go to onRejected, and every other reading of their batch is stored once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat({ max: 39 }), { maxLength: 40 }), fc.boolean(), async (bad, isNaming) => {
      await using node = await storingNode()
      refusing(node, new Set(bad), isNaming)
      const rejected: number[] = []
      await using writer = writerOf(node, {
        maxBatch: 16,
        onRejected: (error, lines) => {
          expect(error.code).toBe("readings_invalid")
          rejected.push(...lines.flatMap(valuesOf))
        },
      })
      for (let value = 0; value < 40; value++) void writer.add(reading(value))
      await writer.flush()
      const all = Array.from({ length: 40 }, (_, value) => value)
      expect(node.stored.sort((a, b) => a - b)).toEqual(all.filter((value) => !bad.includes(value)))
      expect(rejected.sort((a, b) => a - b)).toEqual(all.filter((value) => bad.includes(value)))
      expect(writer.stats()).toMatchObject({ written: 40 - bad.length, rejected: bad.length, buffered: 0 })
      expect(node.conflicts()).toEqual([])
    }),
    { numRuns: 25 },
  )
})

test("a token that is limited to devices costs the readings of other devices alone", async () => {
  await using node = await storingNode()
  const store = node.answer
  node.answer = (request, response) => {
    const device = ["b", "c"].find((name) => request.body.includes(`"device":"${name}"`))
    if (device === undefined) return store(request, response)
    problem(response, 403, { code: "forbidden", details: { device } })
  }
  const rejected: string[] = []
  await using writer = writerOf(node, { onRejected: (_error, lines) => rejected.push(...lines) })
  for (const [value, device] of ["a", "b", "a", "c", "b", "a"].entries()) {
    void writer.add({ device, property: "p", value })
  }
  await writer.flush()
  expect(node.stored).toEqual([0, 2, 5])
  expect(rejected.flatMap(valuesOf)).toEqual([1, 4, 3])
})

test("a batch that always breaks the node is given up after five attempts, and the rest goes on", async () => {
  await using node = await storingNode()
  const store = node.answer
  node.answer = (request, response) =>
    valuesOf(request.body).includes(1) ? problem(response, 500, { code: "internal" }) : store(request, response)
  const rejected: string[] = []
  await using writer = writerOf(node, { maxBatch: 1, onRejected: (error) => rejected.push(error.code) })
  void writer.add(reading(1))
  void writer.add(reading(2))
  await writer.flush()
  expect(node.stored).toEqual([2])
  expect(rejected).toEqual(["internal"])
})
