/** What keeps code in: files, processes, environment, network, numbers of processes. Where there is no sandbox, it is skipped. */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { TrialBed, type TrialRuntimes } from "./trial-bed.ts"
import type { RuntimeTrials } from "./trials.ts"

export function describeConfinement(trials: RuntimeTrials, runtimes: TrialRuntimes): void {
  describe("confinement", () => {
    let reason: string | undefined
    let folder = ""
    beforeAll(async () => {
      const machine = await runtimes.inspect()
      reason = machine.sandbox === "unsandboxed" ? `no sandbox here: ${machine.reason}` : undefined
      folder = await mkdtemp(join(tmpdir(), "brume-confinement-"))
      await writeFile(join(folder, "secret"), "of the node", { mode: 0o644 })
    })
    afterAll(() => rm(folder, { recursive: true, force: true }))
    const confined = (name: string, check: (bed: TrialBed) => Promise<void>): void => {
      test(name, async ({ skip }) => {
        if (reason !== undefined) return skip(reason)
        await using bed = new TrialBed(runtimes, trials, {})
        await check(bed)
      })
    }

    confined("the node's files are not there", async (bed) => {
      for (const path of [join(folder, "secret"), "/etc/shadow", "/etc/passwd", "/root", process.cwd()])
        expect((await bed.error("read", { path })).code).toBe("function_failed")
      expect((await bed.error("list", { path: folder })).code).toBe("function_failed")
    })

    confined("other processes are not there, and neither is the node's memory", async (bed) => {
      expect((await bed.error("read", { path: `/proc/${process.pid}/environ` })).code).toBe("function_failed")
      expect((await bed.error("read", { path: `/proc/${process.ppid}/mem` })).code).toBe("function_failed")
      const processes = ((await bed.call("list", { path: "/proc" })) as string[]).filter((name) => /^\d+$/.test(name))
      expect(processes.length).toBeLessThan(8)
      await bed.error("signalMain").catch(() => {})
      expect(await bed.call("echo", { value: 1 })).toBe(1)
    })

    confined("the environment is empty but for what a program needs", async (bed) => {
      process.env.BRUME_TRIAL_SECRET = "secret"
      const names = Object.keys((await bed.call("environment")) as object)
      expect(names.filter((name) => !/^(PATH|HOME|TMPDIR|LANG|PWD|LC_CTYPE)$/.test(name))).toEqual([])
    })

    confined("the network is not there", async (bed) => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as { port: number }
      try {
        expect((await bed.error("connect", { port })).code).toBe("function_failed")
        await using open = new TrialBed(runtimes, trials, { network: true })
        expect(await open.call("connect", { port }), "where it is allowed").toBe("connected")
      } finally {
        server.close()
      }
    })

    confined("nothing can be written but a private /tmp of limited size", async (bed) => {
      for (const path of ["/usr/x", "/x", "/bin/x", "/etc/x", "/dev/shm/x", "/var/x"])
        expect((await bed.error("write", { path })).code, path).toBe("function_failed")
      await bed.call("write", { path: "/tmp/mine" })
      expect((await bed.error("fill", { bytes: 200_000_000 })).code).toBe("function_failed")
      await using other = new TrialBed(runtimes, trials, {})
      expect(await other.call("list", { path: "/tmp" })).not.toContain("mine")
    })

    confined("a fork bomb makes few processes, and they end with the function", async (bed) => {
      const marker = String(500_000 + process.pid)
      const made = (await bed.call("forkBomb", { marker })) as number
      expect(made).toBeGreaterThan(0)
      expect(made).toBeLessThan(64)
      expect(await countOf(marker)).toBeGreaterThan(0)
      await bed.pool.close()
      await expect.poll(() => countOf(marker)).toBe(0)
    })
  })
}

/** Processes of this machine that sleep for so long. */
async function countOf(marker: string): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "args"])
  return stdout.split("\n").filter((line) => line === `/bin/sleep ${marker}`).length
}
