import { expect, test } from "vitest"
import { openQueryRig } from "../../../../test/rig/query.ts"

test("an answer in JSON has a row per line", async () => {
  await using rig = await openQueryRig()
  const text = await rig.text("SELECT device, time, value, tags FROM readings ORDER BY seq LIMIT 2")
  expect(text.split("\n")).toEqual([
    expect.stringMatching(/^\{"id":"q-[0-9a-f]{16}","columns":\[.*\],"rows":\[$/),
    '{"device":"cold-room-0","time":"2025-01-01T00:00:00.000000Z","value":4,"tags":{"hall":"0"}},',
    '{"device":"cold-room-1","time":"2025-01-01T00:00:00.000001Z","value":4,"tags":{"hall":"1"}}',
    '],"rowCount":2}',
    "",
  ])
})
