/** Every program of docs/guide/python.md, in its order, as one that somebody types into one session. */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { runBrume, startNode, temporaryFolder } from "../rig/node-process.ts"
import { runPython, withoutPython } from "../rig/python.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const reason = withoutPython()
const pandas = withoutPython("pandas", "python3-pandas")

test("the programs of the guide do what it says", { timeout: 120_000 }, async ({ skip }) => {
  if (reason !== undefined) skip(reason)
  if (pandas !== undefined) console.log(`without the program with pandas: ${pandas}`)
  const guide = await readFile(`${root}docs/guide/python.md`, "utf8")
  const block = (kind: string) => new RegExp(`\`\`\`${kind}\\n(.*?)\`\`\``, "s").exec(guide)?.[1] ?? ""
  const programs = [...guide.matchAll(/```py( pandas)?\n(.*?)```/gs)].flatMap(([, needs, text = ""]) =>
    needs !== undefined && pandas !== undefined ? [] : [text],
  )
  expect(programs.length).toBeGreaterThan(9)
  await using folder = await temporaryFolder()
  // Where it finds the token: the default data folder below the working folder.
  await using node = await startNode(join(folder.path, ".brume", "node"))
  const code = join(folder.path, "to-celsius")
  await mkdir(code)
  await writeFile(join(code, "brume.yaml"), block("yaml"))
  await writeFile(join(code, "main.py"), block("py function"))
  const tested = await runPython(["-c", block("py test")], { env: { PYTHONPATH: `${code}:${root}python/src` } })
  expect(tested).toMatchObject({ code: 0, stderr: "" })
  // On a machine with a sandbox the code is sandboxed all the same.
  const access = ["--accept-unsandboxed", "--url", node.url, "--token", node.token]
  expect(await runBrume(["deploy", code, ...access])).toMatchObject({ code: 0 })
  const file = join(folder.path, "guide.py")
  await writeFile(file, programs.join("\n"))
  const end = await runPython([file], { cwd: folder.path, env: { BRUME_URL: node.url } })
  expect(end, end.stderr).toMatchObject({ code: 0, stderr: "" })
  const expected = [
    /^3$/m,
    /^cold\/room-1 6\.0$/m,
    /^cold\/room-1 5\.1$/m,
    /^5\.2$/m,
    /^cold\/room-2 \['door', 'temperature'\]$/m,
    /^\{'speed': 3\}$/m,
    /^failed \{'code': 'command_unreachable'/m,
    /^cold\/room-1: 9\.5 °C$/m,
    /^4\.2$/m,
    /^query_invalid 400 never$/m,
    ...(pandas === undefined ? [/Freq: T, Name: value, dtype: float64|Freq: min/] : []),
  ]
  for (const line of expected) expect(end.stdout).toMatch(line)
})

test("the programs of the package's README run", { timeout: 120_000 }, async ({ skip }) => {
  if (reason !== undefined) skip(reason)
  const readme = await readFile(`${root}python/README.md`, "utf8")
  const programs = [...readme.matchAll(/```py\n(.*?)```/gs)].map(([, text]) => text ?? "")
  await using folder = await temporaryFolder()
  await using node = await startNode(join(folder.path, ".brume", "node"))
  for (const program of programs) {
    const end = await runPython(["-c", program], { cwd: folder.path, env: { BRUME_URL: node.url } })
    expect(end, end.stderr).toMatchObject({ code: 0, stderr: "" })
  }
  expect(programs).toHaveLength(2)
})
