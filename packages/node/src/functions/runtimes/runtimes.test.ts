import { execFileSync } from "node:child_process"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { cpus } from "node:os"
import { join } from "node:path"
import { errorOf, javascriptTrials, nullMetrics, pythonTrials, SilentLogger, TrialBed } from "@brume/testkit"
import { expect, test } from "vitest"
import { systemClock } from "../../ambient/system-clock.ts"
import { createRuntimes, type Runtimes, type RuntimesOptions } from "./runtimes.ts"

function runtimesWith(options: Partial<RuntimesOptions> = {}): Runtimes {
  return createRuntimes({
    clock: systemClock(),
    logger: new SilentLogger(),
    metrics: nullMetrics,
    hidden: [],
    ...options,
  })
}

test.each([
  ["/opt/nothing/python3", "/opt/nothing/python3 is not there"],
  ["python3", "python3 is no absolute path"],
  ["/bin/true", "/bin/true is no Python interpreter"],
  ["/bin/false", "/bin/false cannot be run"],
])("%s as the interpreter is refused with the remedy, and JavaScript goes on", async (python, says) => {
  await using runtimes = runtimesWith({ python })
  const missing = { code: "runtime_missing", message: expect.stringContaining(says) }
  const error = await errorOf(runtimes.check("python"))
  expect(error).toMatchObject({ ...missing, hint: expect.stringContaining("apt-get install python3") })
  await using bed = new TrialBed(runtimes, pythonTrials, {})
  expect(await bed.error("echo")).toMatchObject(missing)
  expect((await runtimes.inspect()).pythonProblem).toContain(says)
  await runtimes.check("javascript")
  await using other = new TrialBed(runtimes, javascriptTrials, {})
  expect(await other.call("echo", { value: 1 })).toBe(1)
})

test("without a sandbox functions run, and say so", async () => {
  await using runtimes = runtimesWith({ sandbox: "none" })
  expect(await runtimes.inspect()).toMatchObject({ sandbox: "unsandboxed", reason: expect.any(String) })
  for (const trials of [javascriptTrials, pythonTrials]) {
    await using bed = new TrialBed(runtimes, trials, {})
    expect(await bed.call("echo", { value: 1 })).toBe(1)
    expect(bed.pool.status()).toMatchObject({ sandbox: "unsandboxed", instances: 1 })
    expect(Object.keys((await bed.call("environment")) as object)).not.toContain("BRUME_TRIAL_SECRET")
    expect((await bed.error("bufferBomb")).message).toContain("memory limit of 128 MiB")
    expect(await bed.call("echo", { value: 2 })).toBe(2)
    expect((await bed.error("loop", {}, 200)).code).toBe("function_timeout")
  }
})

test("what is hidden is hidden even below a folder of the system", async ({ skip }) => {
  const folder = await mkdtemp("/usr/local/brume-hidden-").catch(() => undefined)
  if (folder === undefined) return skip("/usr/local cannot be written here")
  try {
    await chmod(folder, 0o755)
    await writeFile(join(folder, "secret"), "of the node", { mode: 0o644 })
    for (const hidden of [[folder], []]) {
      await using runtimes = runtimesWith({ hidden })
      if ((await runtimes.inspect()).sandbox === "unsandboxed") return skip("no sandbox here")
      await using bed = new TrialBed(runtimes, javascriptTrials, {})
      const read = bed.call("read", { path: join(folder, "secret") })
      if (hidden.length > 0) expect((await errorOf(read)).code).toBe("function_failed")
      else expect(await read, "the folder is one that functions see").toBe("of the node")
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

test("a blank process serves one function alone, and none is left when the last function goes", async () => {
  await using runtimes = runtimesWith({ blanks: 2 })
  const beds = [1, 2, 3].map(() => new TrialBed(runtimes, javascriptTrials, {}))
  const seen = await Promise.all(
    beds.map(async (bed, place) => {
      await bed.call("write", { path: `/tmp/mine-${place}` })
      return ((await bed.call("list", { path: "/tmp" })) as string[]).filter((name) => name.startsWith("mine"))
    }),
  )
  expect(seen).toEqual([["mine-0"], ["mine-1"], ["mine-2"]])
  await Promise.all(beds.map((bed) => bed.pool.close()))
})

/** A process that has waited, and is not held. On a machine that is itself too busy to answer, one may be all the same. */
async function waiting(runtimes: Runtimes, trials: typeof javascriptTrials): Promise<TrialBed> {
  for (let left = 5; ; left--) {
    const bed = new TrialBed(runtimes, trials, {})
    // Python waits by holding its process.
    if (trials === javascriptTrials) await bed.call("sleep", { ms: 400 })
    if (left === 0 || /[-,]/.test(await processorsOf(bed))) return bed
    await bed[Symbol.asyncDispose]()
  }
}

async function processorsOf(bed: TrialBed): Promise<string> {
  const status = (await bed.call("read", { path: "/proc/self/status" })) as string
  return /Cpus_allowed_list:\t(.*)/.exec(status)?.[1] ?? ""
}

test("a process that computes for long is held to one processor, one that waits is not", async ({ skip }) => {
  if (cpus().length < 2) return skip("this machine has one processor")
  for (const sandbox of ["auto", "none"] as const) {
    await using runtimes = runtimesWith({ sandbox })
    for (const trials of [javascriptTrials, pythonTrials]) {
      await using bed = await waiting(runtimes, trials)
      expect(await processorsOf(bed)).toMatch(/[-,]/)
      expect(await bed.call("compute", { ms: 500 })).toBe("computed")
      expect(await processorsOf(bed)).toMatch(/^[1-9]\d*$/)
    }
  }
})

test("when the process that starts others is killed, functions end and are started anew", async ({ skip }) => {
  if (process.platform !== "linux") return skip("only Linux has it")
  const helpers = (): number[] =>
    execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" })
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, parent, ...args]) => parent === String(process.pid) && args.join(" ").includes("starter.cjs"))
      .map(([pid]) => Number(pid))
  await using runtimes = runtimesWith()
  await using bed = new TrialBed(runtimes, javascriptTrials, {})
  await bed.pool.ready()
  const [helper] = helpers()
  const running = bed.error("sleep", { ms: 5_000 })
  process.kill(helper!, "SIGKILL")
  expect(await running).toMatchObject({ code: "function_crashed", message: expect.stringContaining("killed") })
  expect(await bed.call("echo", { value: 1 })).toBe(1)
  expect(helpers()).toHaveLength(1)
  expect(helpers()).not.toEqual([helper])
})
