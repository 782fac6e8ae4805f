import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test } from "vitest"
import { apiRig } from "../../../../test/rig/api.ts"
import { brume, folder } from "../../../../test/rig/recorded-terminal.ts"
import { json, problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"

const rule = (name: string, spec = "") => `apiVersion: brume.dev/v1
kind: Rule
metadata:
  name: ${name}
  labels: {hall: b}
spec:
  on: {device: "cold/+", property: temperature}
  when: value > 8
  actions:
    - publish: {topic: "alerts/${name}", payload: "{{ value }}"}
${spec}`

async function node() {
  const rig = await apiRig()
  const api = await rig.listen()
  const path = await folder()
  return {
    rig,
    path,
    write: (name: string, text: string) => writeFile(join(path, name), text),
    run: (words: string, input?: string) =>
      brume([...words.split(" "), "--url", api.url, "--token", rig.admin], {
        folder: path,
        ...(input === undefined ? {} : { input }),
      }),
    [Symbol.asyncDispose]: () => api.close(),
  }
}

test("documents of several files are applied together, and each is told what it was to the node", async () => {
  await using at = await node()
  await mkdir(join(at.path, "site", "fn"), { recursive: true })
  await at.write("site/b.yaml", `${rule("warm")}---\n${rule("hot")}---\n`)
  await at.write("site/a.json", JSON.stringify(parsedRule("cold")))
  await at.write("site/readme.md", "no document")
  await at.write("site/fn/broken.yaml", ": : :")
  const dry = await at.run("apply -f site --dry-run")
  expect([dry.code, dry.stdout.match(/would be created/g)?.length]).toEqual([0, 3])
  const first = await at.run("apply -f site")
  expect(first.stdout).toMatch(/^KIND +NAME +CHANGE +FILE\nRule +cold +created +site\/a\.json\nRule +warm +created/)
  await at.write("site/b.yaml", `${rule("warm")}---\n${rule("hot", "  cooldown: 1m\n")}`)
  const again = await at.run("apply -f site/b.yaml -f site/a.json --json")
  expect(JSON.parse(again.stdout)).toEqual([
    { change: "unchanged", kind: "Rule", name: "warm", generation: 1, file: "site/b.yaml" },
    { change: "changed", kind: "Rule", name: "hot", generation: 2, file: "site/b.yaml" },
    { change: "unchanged", kind: "Rule", name: "cold", generation: 1, file: "site/a.json" },
  ])
})

function parsedRule(name: string) {
  const on = { device: "cold/+", property: "temperature" }
  const spec = { on, when: "value < 1", actions: [{ publish: { topic: "a" } }] }
  return { apiVersion: "brume.dev/v1", kind: "Rule", metadata: { name }, spec }
}

test("mistakes are shown with file, line, path and remedy, and nothing is applied", async () => {
  await using at = await node()
  await at.write("good.yaml", rule("good"))
  await at.write("bad.yaml", `# two\n${rule("bad", "  wehn: value > 9\n  for: five\n")}---\n${rule("Bad")}`)
  const end = await at.run("apply -f good.yaml -f bad.yaml")
  expect([end.code, end.stdout]).toEqual([7, ""])
  expect(end.stderr).toContain("3 mistakes; nothing was applied:")
  expect(end.stderr).toContain("  bad.yaml:12  Rule bad: spec.wehn is unknown here; did you mean when?")
  expect(end.stderr).toContain("  bad.yaml:13  Rule bad: spec.for must be a duration like")
  expect(end.stderr).toContain("  bad.yaml:18  Rule Bad: metadata.name must be")
  expect(end.stderr).toContain("hint")
  const problem = JSON.parse((await at.run("apply -f good.yaml -f bad.yaml --json")).stderr)
  expect(problem).toMatchObject({
    code: "document_invalid",
    details: { mistakes: [{ file: "bad.yaml", line: 12 }, {}, {}] },
  })
  expect(JSON.parse((await at.run("get rules --json")).stdout)).toEqual([])
})

test("a type error of an expression is a mistake of its line", async () => {
  await using at = await node()
  await at.write("rule.yaml", rule("warm").replace("value > 8", "valeu > 8"))
  const end = await at.run("apply -f rule.yaml")
  expect(end.code).toBe(7)
  expect(end.stderr).toMatch(/rule\.yaml:8 {2}Rule warm: spec\.when /)
})

test("what is no YAML, stands twice, or is not there is said before any node is asked", async () => {
  await using at = await node()
  await at.write("a.yaml", rule("warm"))
  await at.write("b.yaml", `${rule("cold")}---\na: [\n`)
  await at.write("c.yaml", rule("warm"))
  const end = await at.run("apply -f a.yaml -f b.yaml -f c.yaml --url http://127.0.0.1:9")
  expect(end.code).toBe(7)
  expect(end.stderr).toMatch(/ {2}b\.yaml:1[0-9] {2}is not YAML: /)
  expect(end.stderr).toContain("  c.yaml:4  Rule warm: metadata.name stands in a.yaml:4 already")
  expect((await at.run("apply -f nothing.yaml")).code).toBe(2)
  expect((await at.run("apply -f -", "# nothing\n")).code).toBe(2)
  expect((await at.run("apply")).code).toBe(2)
})

test("stdin is taken, also as a list in JSON", async () => {
  await using at = await node()
  const end = await at.run("apply -f - --json", JSON.stringify([parsedRule("a"), parsedRule("b")]))
  expect(JSON.parse(end.stdout)).toMatchObject([{ name: "a", change: "created", file: "stdin" }, { name: "b" }])
  const bad = await at.run(
    "apply -f -",
    JSON.stringify([parsedRule("a"), { ...parsedRule("b"), kind: "Rul" }], null, 1),
  )
  expect(bad.stderr).toMatch(/stdin:\d\d {2}Rul b: kind "Rul" is no kind of document; did you mean Rule\?/)
})

test("more documents than one request takes are all checked before the first is applied", async () => {
  await using at = await node()
  const many = Array.from({ length: 1_200 }, (_, index) => parsedRule(`n${index}`))
  await at.write("many.json", JSON.stringify([...many, { ...parsedRule("last"), spec: {} }]))
  const bad = await at.run("apply -f many.json")
  expect([bad.code, bad.stderr.includes("Rule last: spec.on is missing")]).toEqual([7, true])
  expect((await at.run("get rules --json")).stdout).toBe("[]\n")
  await at.write("many.json", JSON.stringify(many))
  expect(JSON.parse((await at.run("apply -f many.json --json")).stdout)).toHaveLength(1_200)
  expect(JSON.parse((await at.run("get documents --kind rules --json")).stdout)).toHaveLength(1_200)
})

test("what was applied before a part that the node refuses is told", async () => {
  const mistakes = [{ document: 0, path: "", problem: "would be document 10001 of this node; the limit is 10000" }]
  await using node = await scriptedNode(({ url, body }, response) => {
    const given = JSON.parse(body) as object[]
    const isDry = url.endsWith("dry-run=true")
    if (isDry || given.length === 1_000)
      json(response, { documents: given.map((document) => ({ change: "created", document })) })
    else problem(response, 422, { code: "document_invalid", details: { mistakes } })
  })
  const path = await folder()
  const many = Array.from({ length: 1_001 }, (_, index) => parsedRule(`n${index}`))
  await writeFile(join(path, "many.json"), JSON.stringify(many))
  const end = await brume(["apply", "-f", "many.json", "--url", node.url, "--token", "t"], { folder: path })
  expect(end.code).toBe(7)
  expect(end.stderr).toContain("1 mistake; 1,000 documents before were applied, no more:")
  expect(end.stderr).not.toContain("nothing was applied")
})

test("rules are listed, described and deleted", async () => {
  await using at = await node()
  await at.run("apply -f -", rule("warm"))
  expect((await at.run("get rules")).stdout).toMatch(/^NAME +STATE +GENERATION .*\nwarm +in force +1 .* hall=b\n$/)
  expect((await at.run("get documents")).stdout).toMatch(/^Rule +warm /m)
  const described = (await at.run("describe rule warm")).stdout
  expect(described).toMatch(/^Rule +warm$/m)
  expect(described).toMatch(/^Label hall +b$/m)
  expect(described).toContain("\nspec:\n  on:\n    device: cold/+\n    property: temperature\n  when: value > 8\n")
  // What is shown is what can be applied again.
  const shown = (await at.run("describe rule warm --json")).stdout
  expect((await at.run("apply -f -", shown)).stdout).toMatch(/^Rule +warm +unchanged/m)
  expect((await at.run("describe rule cold")).code).toBe(5)
  const deleted = await at.run("delete rule warm")
  expect([deleted.code, deleted.stderr]).toEqual([0, "Rule warm is deleted.\n"])
  expect((await at.run("delete rule warm --json")).code).toBe(5)
})
