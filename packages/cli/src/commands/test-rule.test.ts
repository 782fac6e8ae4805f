import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { systemClock } from "../../../../packages/node/src/ambient/system-clock.ts"
import { createRuleTrials } from "../../../../packages/node/src/rules/trial/trial.ts"
import { apiRig } from "../../../../test/rig/api.ts"
import { openQueryRig } from "../../../../test/rig/query.ts"
import { brume, folder } from "../../../../test/rig/recorded-terminal.ts"
import { stripText } from "./test-rule.ts"

const alarm = `    - alarm: {name: too-warm, message: "{{ device }} is warm"}
`

const rule = (more: string, actions = "") => `apiVersion: brume.dev/v1
kind: Rule
metadata: {name: warm}
spec:
  on: {device: cold-room-3, property: temperature}
${more}
  actions:
    - publish: {topic: "alerts/{{ device }}", payload: "warm"}
${actions}`

/** A node with 1,000 seconds of readings that begin in 2025. */
async function node() {
  const stored = await openQueryRig({ rows: 20_000 })
  const rig = await apiRig()
  const api = await rig.listen({
    ruleTrials: createRuleTrials({ node: "gateway-1", query: stored.query, clock: systemClock() }),
  })
  const path = await folder()
  onTestFinished(async () => {
    await api.close()
    await stored[Symbol.asyncDispose]()
  })
  return async (text: string, words: string) => {
    await writeFile(join(path, "rule.yaml"), text)
    return brume([...words.split(" "), "--url", api.url, "--token", rig.admin], { folder: path })
  }
}

const day = "--from 2025-01-01T00:00:00Z --to 2025-01-01T00:20:00Z"

test("a table and a strip show when a rule would have fired, and what it would have done", async () => {
  const run = await node()
  const end = await run(rule("  when: value > 5.5\n  clearWhen: value < 5", alarm), `test-rule rule.yaml ${day}`)
  expect(end).toMatchObject({ code: 0, stderr: "" })
  const lines = end.stdout.split("\n")
  expect(lines[0]).toMatch(/^Rule warm: 1,000 readings, fired \d times?, cleared \d times?\.$/)
  expect(lines[2]).toMatch(/^[·█]{60}$/)
  expect(lines[3]).toBe("2025-01-01 00:00:00Z                    2025-01-01 00:20:00Z")
  expect(lines[5]).toMatch(/^TIME +WHAT +DEVICE +PROPERTY +VALUES +ACTIONS$/)
  expect(lines[6]).toMatch(
    /^2025-01-01 00:\S+Z +fired +cold-room-3 +temperature +value 5\.\d+ +publish alerts\/cold-room-3: warm; raise alarm too-warm: cold-room-3 is warm$/,
  )
})

test("windows show their columns; JSON has all of it", async () => {
  const run = await node()
  const window = "  window: {type: tumbling, size: 100s, select: 'max(value) AS peak, count(*) AS n'}\n  when: n > 1"
  const shown = await run(rule(window), `test-rule rule.yaml ${day} --limit 3`)
  expect(shown.stdout).toMatch(/fired +cold-room-3 +temperature +from 2025-01-01 00:00:00Z, peak \d+(\.\d+)?, n 100 /)
  expect(shown.stderr).toContain("The first 3 firings and clearings are listed; all are counted.")
  const end = await run(rule(window), `test-rule rule.yaml ${day} --json`)
  const [line, ...rest] = end.stdout.trim().split("\n")
  expect(rest).toEqual([])
  expect(JSON.parse(line!)).toMatchObject({
    ...{ rule: "warm", from: "2025-01-01T00:00:00.000000Z", readings: 1_000, fired: 10, notes: [] },
    firings: Array.from({ length: 10 }, () => ({ change: "fired", values: { n: 100 } })),
  })
})

test("mistakes in the rule, the file and the flags are told", async () => {
  const run = await node()
  const wrong = await run(rule("  when: valeu > 1"), `test-rule rule.yaml ${day}`)
  expect([wrong.code, wrong.stderr]).toEqual([7, expect.stringContaining("valeu")])
  const none = await run("kind: Function\nmetadata: {name: x}\n", "test-rule rule.yaml")
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("There is no rule in rule.yaml")])
  for (const words of ["--from tomorrow", "--limit 0", "--from 1h --to 2h"])
    expect([2, 7]).toContain((await run(rule("  when: value > 1"), `test-rule rule.yaml ${words}`)).code)
})

test("the strip's bars are as high as their parts fired often", () => {
  expect(stripText([0, 1, 4, 8])).toBe("·▁▄█")
})
