/** Functions on the command line, at a node with real processes. */
import { access, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, test, vi } from "vitest"
import { brume, folder, type RecordedTerminal, recordedTerminal } from "../../../../test/rig/recorded-terminal.ts"
import { problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"
import { type WholeNode, wholeNode } from "../../../../test/rig/whole-node.ts"
import { defaultUrl } from "../connection.ts"
import { run } from "../main.ts"

vi.setConfig({ testTimeout: 60_000 })

const manifest = (runtime: string, entry: string, more = ""): string =>
  `apiVersion: brume.dev/v1\nkind: Function\nmetadata:\n  name: hello\nspec:\n  runtime: ${runtime}\n  entry: ${entry}\n${more}`

async function write(files: Readonly<Record<string, string>>): Promise<string> {
  const path = await folder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(path, name, ".."), { recursive: true })
    await writeFile(join(path, name), content)
  }
  return path
}

const at = ({ node, secret }: WholeNode) => {
  const access = ["--url", node.url, "--token", secret]
  return (args: readonly string[], input?: string) => brume([...args, ...access], input === undefined ? {} : { input })
}

test("TypeScript with its imports is deployed, called, rolled back, and its stack names its own lines", async () => {
  await using open = await wholeNode()
  const at_ = at(open)
  const dir = await write({
    "brume.yaml": manifest("typescript", "main.ts"),
    "main.ts": `import { greet } from "./greet.ts"\nexport default (event: { readonly name: string }, ctx: { log: (text: string) => void }) => {\n  ctx.log("called")\n  return greet(event.name)\n}\n`,
    "greet.ts": `interface Named {\n  readonly name: string\n}\nexport const greet = (name: string): string => {\n  const named: Named = { name }\n  if (name === "") throw new Error("nobody")\n  return \`hello \${named.name}\`\n}\n`,
  })
  expect(await at_(["deploy", dir, "--json"])).toMatchObject({
    code: 0,
    stdout: '{"name":"hello","version":1,"change":"created"}\n',
  })
  expect(await at_(["invoke", "hello", "--data", '{"name":"you"}', "--json"])).toMatchObject({
    ...{ code: 0, stdout: '"hello you"\n', stderr: "" },
  })
  const failed = await at_(["invoke", "hello", "--data", '{"name":""}'])
  expect(failed.stderr).toContain("nobody")
  expect(failed.stderr).toContain("greet.ts:6")
  await writeFile(join(dir, "greet.ts"), `export const greet = (name: string): string => "hi " + name\n`)
  expect((await at_(["deploy", dir])).stdout).toBe("hello: version 2 is in force\n")
  expect((await at_(["invoke", "hello", "--data", "-"], '{"name":"you"}')).stdout).toBe("hi you\n")
  expect((await at_(["rollback", "hello"])).stdout).toBe("hello: version 1 is in force\n")
  expect((await at_(["invoke", "hello", "--data", '{"name":"you"}'])).stdout).toBe("hello you\n")
  expect((await at_(["logs", "hello"])).stdout).toMatch(/info {3}called/)
  expect((await at_(["get", "functions"])).stdout).toMatch(/^hello +ready +1 +typescript/m)
  const shown = (await at_(["describe", "function", "hello"])).stdout
  expect(shown).toMatch(/^State +ready$/m)
  expect(shown).toContain("function_failed")
  expect(JSON.parse((await at_(["describe", "function", "hello", "--json"])).stdout)).toMatchObject({ version: 1 })
  expect((await at_(["delete", "function", "hello"])).code).toBe(0)
  expect((await at_(["invoke", "hello"])).code).toBe(5)
})

test("Python's files are deployed as they are", async () => {
  await using open = await wholeNode()
  const dir = await write({
    "brume.yaml": manifest("python", "main.py"),
    "main.py": "from parts.words import greet\n\ndef handler(event, ctx):\n    return greet(event)\n",
    "parts/words.py": 'def greet(name):\n    return "hello " + name\n',
    "parts/__init__.py": "",
    "parts/__pycache__/words.pyc": "no text",
  })
  expect(await at(open)(["deploy", dir])).toMatchObject({ stdout: "hello: version 1 is in force\n", stderr: "" })
  expect((await at(open)(["invoke", "hello", "--data", '"you"'])).stdout).toBe("hello you\n")
})

test("what is wrong with a folder is told with its place, and all mistakes of a document together", async () => {
  await using open = await wholeNode()
  const at_ = at(open)
  expect((await at_(["deploy", "/nonexistent/fn"])).stderr).toContain("Cannot read /nonexistent/fn/brume.yaml")
  const unnamed = await write({ "brume.yaml": "kind: Function\n" })
  expect((await at_(["deploy", unnamed])).stderr).toContain("does not say metadata.name, spec.runtime, spec.entry")
  const lost = await write({ "brume.yaml": manifest("python", "main.py") })
  expect((await at_(["deploy", lost])).stderr).toContain("main.py does not exist")
  const ruby = await write({ "brume.yaml": manifest("ruby", "main.rb"), "main.rb": "1\n" })
  expect((await at_(["deploy", ruby])).stderr).toContain("spec.runtime is one of typescript, javascript, python")
  const syntax = await write({ "brume.yaml": manifest("javascript", "main.js"), "main.js": "export default (\n" })
  expect((await at_(["deploy", syntax])).stderr).toContain("main.js:2:1: Unexpected end of file")
  const limits = await write({
    "brume.yaml": manifest(
      "python",
      "main.py",
      "  limits: { timeMs: 0 }\n  triggers: [{ topic: a/#/b }, { schedule: often }]\n  retires: 3\n",
    ),
    "main.py": "def handler(event, ctx):\n    return 1\n",
  })
  const wrong = await at_(["deploy", limits, "--json"])
  expect(wrong.code).toBe(7)
  const { details } = JSON.parse(wrong.stderr) as { details: { mistakes: { path: string }[] } }
  expect(details.mistakes.map(({ path }) => path).sort()).toEqual([
    ...["spec.limits.timeMs", "spec.retires", "spec.triggers[0].topic", "spec.triggers[1].schedule"],
  ])
})

test("a secret comes from stdin, is listed without its value, and is deleted", async () => {
  await using open = await wholeNode()
  const at_ = at(open)
  expect(await at_(["secret", "set", "chat"], "sesame\n")).toMatchObject({
    code: 0,
    stderr: "The secret chat is set.\n",
  })
  expect((await at_(["secret", "set", "empty"], "\n")).code).toBe(2)
  expect((await at_(["secret", "set", "empty"])).code).toBe(2)
  const list = (await at_(["secret", "list"])).stdout
  expect(list).toMatch(/^chat +now$/m)
  expect(list).not.toContain("sesame")
  expect((await at_(["secret", "delete", "chat"])).code).toBe(0)
  expect((await at_(["secret", "list", "--json"])).stdout).toBe("[]\n")
})

test("logs -f goes on over a connection that breaks and a node that starts anew, until Ctrl-C", async () => {
  const line = (seq: number, message: string): string =>
    `${JSON.stringify({ seq, time: "2025-01-01T00:00:00.000000Z", level: "info", message, version: 1 })}\n`
  const answers = [line(7, "first"), undefined, line(8, "second"), line(1, "after the start")]
  await using node = await scriptedNode((_seen, response) => {
    const text = answers.shift()
    if (text === undefined && answers.length > 0)
      return problem(response, 503, { code: "functions_busy", retry: "later" })
    response.writeHead(200, { "content-type": "application/x-ndjson" })
    if (text === undefined) response.write("\n")
    else response.end(text)
  })
  const terminal = recordedTerminal({})
  const ended = run(["logs", "hello", "-f", "--lines", "5", "--url", node.url, "--token", "t"], terminal)
  await expect.poll(terminal.stdout, { timeout: 10_000 }).toContain("after the start")
  terminal.interrupt()
  expect(await ended).toBe(0)
  expect(terminal.stdout().match(/first|second|after the start/g)).toEqual(["first", "second", "after the start"])
  expect(terminal.stderr()).toContain("trying again")
  expect(node.requests.slice(0, 4).map(({ url }) => url.split("?")[1])).toEqual([
    "limit=5&after=0&follow=true",
    ...["limit=1000&after=7&follow=true", "limit=1000&after=7&follow=true", "limit=1000&after=8&follow=true"],
  ])
  const missing = await brume(["logs", "hello", "-f", "--url", "http://127.0.0.1:9", "--token", "t"])
  expect(missing.code).toBe(3)
})

test("dev deploys what is saved, tells what is wrong with it, and shows what the function says", async () => {
  await using open = await wholeNode()
  const dir = await write({
    "brume.yaml": manifest("typescript", "main.ts"),
    "main.ts": `export default (event: unknown, ctx: { log: (text: string) => void }) => ctx.log("first " + event)\n`,
  })
  const terminal: RecordedTerminal = recordedTerminal({ folder: dir })
  const ended = run(["dev", dir, "--url", open.node.url, "--token", open.secret], terminal)
  await expect.poll(terminal.stderr).toContain("version 1 is in force")
  await at(open)(["invoke", "hello", "--data", "1"])
  await expect.poll(terminal.stdout).toContain("first 1")
  await writeFile(join(dir, "main.ts"), "export default ( => 1\n")
  await expect.poll(terminal.stderr).toContain("main.ts:1:18")
  await writeFile(
    join(dir, "main.ts"),
    `export default (event: number) => {\n  throw new Error("second " + event)\n}\n`,
  )
  await expect.poll(terminal.stderr).toContain("version 2 is in force")
  await at(open)(["invoke", "hello", "--data", "2"])
  await expect.poll(terminal.stdout).toMatch(/second 2[\s\S]*main\.ts:2:9/)
  terminal.interrupt()
  expect(await ended).toBe(0)
})

test("dev starts a node of its own where none is, and takes it away again", async ({ skip }) => {
  const isTaken = await fetch(defaultUrl).then(
    () => true,
    () => false,
  )
  if (isTaken) skip(`something answers at ${defaultUrl}`)
  const dir = await write({ "brume.yaml": manifest("javascript", "main.js"), "main.js": "export default () => 1\n" })
  const terminal = recordedTerminal({ folder: dir })
  const ended = run(["dev", dir], terminal)
  await expect.poll(terminal.stderr, { timeout: 20_000 }).toContain("version 1 is in force")
  const [, tokenFile] = /--token-file (\S+)/.exec(terminal.stderr()) ?? []
  terminal.interrupt()
  expect(await ended).toBe(0)
  await expect(access(tokenFile!)).rejects.toThrow("ENOENT")
})
