/** The Python package by its own unit tests, run by the machine's python3: alone, and against real nodes. */
import { expect, test } from "vitest"
import { runPython, runUnittest, withoutPython } from "../rig/python.ts"

const reason = withoutPython()

test.for([
  "test_websocket",
  "test_readings",
  "test_transport",
  "test_live",
  "test_tls",
  "test_writer",
  "test_functions",
  "test_node",
  "test_kill",
])("%s", { timeout: 270_000 }, async (module, { skip }) => {
  if (reason !== undefined) skip(reason)
  for (const why of await runUnittest(module)) console.log(`${module}, in part skipped: ${why}`)
})

test("it needs nothing but the standard library", async ({ skip }) => {
  if (reason !== undefined) skip(reason)
  const program =
    "import sys, brume, brume.functions; " +
    "print(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
  // -S: packages of apt and pip are not to be found.
  const { stdout, stderr } = await runPython(["-S", "-c", program])
  expect(stderr).toBe("")
  expect(stdout.trim()).toBe("['__main__', 'brume']")
})
