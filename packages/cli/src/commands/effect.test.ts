import { expect, test } from "vitest"
import { brume } from "../../../../test/rig/recorded-terminal.ts"
import { json, scriptedNode } from "../../../../test/rig/scripted-node.ts"

const failed = {
  ...{ key: "0123456789abcdef", source: "rule/cold", type: "webhook", target: "chat.example", state: "failed" },
  ...{ attempts: 4, created: "2025-01-01T00:00:00.000000Z", ended: "2025-01-01T00:00:09.000000Z" },
  ...{ code: "webhook_failed", message: "it cannot be reached" },
}

test("effects are listed as far as asked for, over as many pages as that takes", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { effects: [failed], cursor: "c" }))
  const { stdout } = await brume(["get", "effects", "--limit", "2", "--url", node.url])
  expect(stdout.trim().split("\n")).toHaveLength(3)
  expect(stdout).toMatch(/^failed +webhook +chat\.example +rule\/cold +\d+ d +0123456789ab +it cannot be reached$/m)
  const flags = ["--state", "failed", "--type", "webhook", "--source", "rule/cold", "--limit", "1", "--json"]
  const asJson = await brume(["get", "effects", ...flags, "--url", node.url])
  expect(JSON.parse(asJson.stdout)).toEqual([failed])
  expect(node.requests.at(-1)?.url).toBe("/v1/effects?state=failed&type=webhook&source=rule%2Fcold&limit=1")
})

test.each([
  ["--state", "over"],
  ["--type", "mail"],
  ["--limit", "none"],
])("%s %s is refused", async (flag, value) => {
  const end = await brume(["get", "effects", flag, value, "--url", "http://127.0.0.1:1"])
  expect([end.code, end.stdout]).toEqual([2, ""])
  expect(end.stderr).toContain(value)
})

test("an effect is described with why it ended so", async () => {
  await using node = await scriptedNode((_request, response) => json(response, failed))
  const { stdout } = await brume(["describe", "effect", failed.key, "--url", node.url])
  expect(node.requests[0]?.url).toBe(`/v1/effects/${failed.key}`)
  expect(stdout).toMatch(/^Effect +webhook to chat\.example$/m)
  expect(stdout).toMatch(/^Why +it cannot be reached \(webhook_failed\)$/m)
  const asJson = await brume(["describe", "effect", failed.key, "--json", "--url", node.url])
  expect(JSON.parse(asJson.stdout)).toEqual(failed)
})
