import { expect, test } from "vitest"
import { brume, recordedTerminal } from "../../../../test/rig/recorded-terminal.ts"
import { json, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { run } from "../main.ts"

test("watch shows readings line by line and ends after as many as asked for", async () => {
  await using node = await scriptedNode((_request, response) => json(response, {}))
  const reading = {
    time: "2025-01-01T00:00:00.000000Z",
    device: "d",
    property: "t",
    value: 4.2,
    text: null,
    json: null,
    tags: "{}",
    quality: 0,
  }
  node.live = (socket) => socket.send(JSON.stringify({ type: "readings", readings: [reading, reading, reading] }))
  const end = await brume(["watch", "--url", node.url, "--count", "2", "--json", "hall/#", "--property", "t"])
  expect(end.code).toBe(0)
  expect(
    end.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([reading, reading])
  const pretty = await brume(["watch", "--url", node.url, "--count", "1"])
  expect(pretty.stdout).toBe("2025-01-01T00:00:00.000000Z  d  t  4.2\n")
})

test("Ctrl-C is the normal end of watch", async () => {
  await using node = await scriptedNode((_request, response) => json(response, {}))
  const terminal = recordedTerminal()
  node.live = () => terminal.interrupt()
  expect(await run(["watch", "--url", node.url], terminal)).toBe(0)
})
