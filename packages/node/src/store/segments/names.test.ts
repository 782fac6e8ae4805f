import { expect, test } from "vitest"
import { latestName, parseName, segmentName } from "./names.ts"

const epoch = "0123456789abcdef"

test("names say epoch and range, and sort by sequence", () => {
  expect(segmentName(epoch, [7, 1_000_000])).toBe(`${epoch}-00000000000000000007-00000000000001000000.parquet`)
  const names = [900, 7, Number.MAX_SAFE_INTEGER - 1].map((from) => segmentName(epoch, [from, from + 1]))
  expect([...names].sort().map(parseName)).toMatchObject([
    { range: [7, 8] },
    { range: [900, 901] },
    { range: [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER] },
  ])
})

test("what was named is recognised, and nothing else", () => {
  for (const turn of [0, 3]) {
    expect(parseName(segmentName(epoch, [7, 9], turn))).toEqual({ kind: "segment", epoch, range: [7, 9] })
    expect(parseName(latestName(epoch, 9, turn))).toEqual({ kind: "latest" })
    expect(parseName(`${segmentName(epoch, [7, 9], turn)}.tmp`)).toEqual({ kind: "unfinished" })
    expect(parseName(`${latestName(epoch, 9, turn)}.tmp`)).toEqual({ kind: "unfinished" })
  }
  const [from, to] = ["7".padStart(20, "0"), "9".padStart(20, "0")]
  for (const foreign of [
    "notes.txt",
    "notes.tmp",
    `${epoch}.parquet`,
    `${epoch}-${to}-${from}.parquet`,
    `${epoch}-${from}-${to}.parquet.bak`,
    `${epoch.toUpperCase()}-${from}-${to}.parquet`,
    `${epoch}-${from}-${"9".repeat(20)}.parquet`,
    `x${epoch}-${from}-${to}.parquet`,
  ]) {
    expect(parseName(foreign), foreign).toEqual({ kind: "foreign" })
  }
})
