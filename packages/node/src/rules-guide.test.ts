/** docs/guide/rules.md: its rules can be applied, and its expressions are conditions. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { parse } from "yaml"
import { wholeNode } from "../../../test/rig/whole-node.ts"
import { readingExpressions } from "./rules/scope.ts"

const guide = readFileSync(fileURLToPath(new URL("../../../docs/guide/rules.md", import.meta.url)), "utf8")

const blocks = (language: string): string[] =>
  [...guide.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g"))].map(([, block]) => block!)

test("every rule of the guide is taken, and enabled", async () => {
  await using whole = await wholeNode()
  const documents = blocks("yaml").map((block) => parse(block) as { metadata: { name: string } })
  expect(documents.length).toBeGreaterThan(5)
  const answer = await whole.call("/v1/documents", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(documents),
  })
  expect(answer.status, await answer.text()).toBe(200)
  const { documents: kept } = (await (await whole.call("/v1/rules")).json()) as {
    documents: { status: { state: string } }[]
  }
  expect(kept.map(({ status }) => status.state)).toEqual(documents.map(() => "enabled"))
})

test.each(blocks("cel").flatMap((block) => block.trim().split("\n")))("%s is a condition", (source) => {
  expect(readingExpressions.condition(source)).toBeTypeOf("object")
})

test.each([...guide.matchAll(/^\| `\{ (.*) \}` \| /gm)].map(([, on]) => on!))("on: { %s } is a source", async (on) => {
  const { compileRule } = await import("./rules/compile-rule.ts")
  const actions = [{ publish: { topic: "out" } }]
  expect(compileRule("r", { on: parse(`{ ${on} }`) as object, actions }).mistakes).toEqual([])
})
