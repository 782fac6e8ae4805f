import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"

const program = fileURLToPath(new URL("../../../../test/rig/runaway-queries.mjs", import.meta.url))

test("eight runaway statements leave the log's syncs going", async () => {
  // With the four threads of libuv's default, no sync ends and the program is killed.
  const { stdout } = await promisify(execFile)(process.execPath, [program, "50"], {
    env: { ...process.env, UV_THREADPOOL_SIZE: "12" },
    timeout: 60_000,
    killSignal: "SIGKILL",
  })
  expect(JSON.parse(stdout)).toEqual({
    syncs: 50,
    // Four run and four wait, still after the last sync.
    states: [...Array(4).fill("running"), ...Array(4).fill("waiting")],
    codes: Array(8).fill("query_cancelled"),
  })
}, 70_000)
