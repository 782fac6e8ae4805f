import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build } from "vite"
import { beforeAll, expect, test } from "vitest"
import { takeLock } from "./lock.ts"
import { thisProcess } from "./process-identity.ts"

/** lock.ts and what it imports as one file that every Node.js runs. */
let compiled = ""

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "brume-lock-build-"))
  await build({
    configFile: false,
    logLevel: "silent",
    ssr: { noExternal: true, resolve: { conditions: ["brume-source"] } },
    build: { ssr: join(import.meta.dirname, "lock.ts"), outDir: folder, minify: false, target: "node20" },
  })
  const [name] = await readdir(folder)
  compiled = join(folder, name!)
  return () => rm(folder, { recursive: true, force: true })
})

async function openFolder() {
  const folder = await mkdtemp(join(tmpdir(), "brume-lock-"))
  return {
    folder,
    lock: join(folder, "lock"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

interface Holder extends AsyncDisposable {
  readonly child: ChildProcess
  /** `locked`, or the code and message of its refusal. */
  readonly said: Promise<string>
  /** Kills it with SIGKILL and resolves when it is gone. */
  kill(): Promise<void>
}

/** A real process that takes the lock, says in one line how that went, and lives until it is killed. */
function startHolder(lock: string): Holder {
  const script = `
    import { takeLock } from ${JSON.stringify(compiled)}
    try {
      await takeLock(process.argv[1], "holder")
      console.log("locked")
    } catch (error) {
      console.log(error.code + " " + error.message + " " + error.hint)
    }
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, lock], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const said = new Promise<string>((resolve) => child.stdout?.once("data", (chunk) => resolve(String(chunk).trim())))
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const kill = () => {
    child.kill("SIGKILL")
    return gone
  }
  return { child, said, kill, [Symbol.asyncDispose]: kill }
}

test("a lock held by a living process is refused, naming the process and the remedy", async () => {
  await using fixture = await openFolder()
  await using holder = startHolder(fixture.lock)
  expect(await holder.said).toBe("locked")
  const refusal = {
    code: "store_locked",
    message: expect.stringContaining(`process ${holder.child.pid} of node holder`),
    hint: expect.stringContaining(`Stop process ${holder.child.pid}`),
  }
  await expect(takeLock(fixture.lock, "second")).rejects.toMatchObject(refusal)
  await using third = startHolder(fixture.lock)
  expect(await third.said).toMatch(/^store_locked /)
  expect(await readdir(fixture.folder)).toEqual(["lock"])
})

test("the lock of a killed process is taken over", async () => {
  await using fixture = await openFolder()
  await using holder = startHolder(fixture.lock)
  expect(await holder.said).toBe("locked")
  await holder.kill()
  const lock = await takeLock(fixture.lock, "second")
  expect(JSON.parse(await readFile(fixture.lock, "utf8"))).toMatchObject({ pid: process.pid, node: "second" })
  await lock.release()
  expect(await readdir(fixture.folder)).toEqual([])
})

test("of many processes that race for a stale lock, one gets it", async () => {
  await using fixture = await openFolder()
  for (let round = 0; round < 3; round++) {
    await writeFile(fixture.lock, JSON.stringify({ ...(await thisProcess()), id: `stale-${round}`, processStart: "1" }))
    const holders = Array.from({ length: 6 }, () => startHolder(fixture.lock))
    const said = await Promise.all(holders.map((holder) => holder.said))
    await Promise.all(holders.map((holder) => holder.kill()))
    expect(said.filter((line) => line === "locked")).toHaveLength(1)
    expect(said.filter((line) => line.startsWith("store_locked "))).toHaveLength(5)
  }
})

test("within one process, too, a race has one winner", async () => {
  await using fixture = await openFolder()
  await writeFile(fixture.lock, JSON.stringify({ ...(await thisProcess()), id: "stale", processStart: "1" }))
  const results = await Promise.allSettled(Array.from({ length: 30 }, () => takeLock(fixture.lock, "racer")))
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1)
  expect(await readdir(fixture.folder)).toEqual(["lock"])
})

test.each([
  ["its pid belongs to a process that started at another time", { processStart: "1" }],
  ["the machine has booted since", { bootId: "another boot" }],
  ["its pid is free", { pid: 2 ** 22 - 7 }],
])("a lock is stale when %s", async (_, change) => {
  await using fixture = await openFolder()
  await writeFile(fixture.lock, JSON.stringify({ ...(await thisProcess()), id: "x", node: "old", ...change }))
  await takeLock(fixture.lock, "new")
  expect(JSON.parse(await readFile(fixture.lock, "utf8"))).toMatchObject({ pid: process.pid, node: "new" })
})

test.each([
  ["empty", ""],
  ["no JSON", "\u0000\u0000\u0000"],
  ["without a pid", '{"id":"x"}'],
])("a lock file that is %s counts as left by a crash", async (_, content) => {
  await using fixture = await openFolder()
  await writeFile(fixture.lock, content)
  await takeLock(fixture.lock, "new")
  expect(JSON.parse(await readFile(fixture.lock, "utf8"))).toMatchObject({ node: "new" })
})

test("what processes left that died within a takeover does not stand in the way, and is removed", async () => {
  await using fixture = await openFolder()
  const dead = (id: string) => JSON.stringify({ id, pid: 2 ** 22 - 7, processStart: "1", bootId: "", node: "" })
  await writeFile(fixture.lock, dead("one"))
  await writeFile(`${fixture.lock}.over-one`, dead("two"))
  await writeFile(`${fixture.lock}.new-two`, dead("two"))
  await writeFile(`${fixture.lock}.over-zero`, dead("three"))
  const lock = await takeLock(fixture.lock, "new")
  expect(await readdir(fixture.folder)).toEqual(["lock"])
  await lock.release()
})

test("releasing leaves the lock of somebody else alone", async () => {
  await using fixture = await openFolder()
  const lock = await takeLock(fixture.lock, "first")
  const other = JSON.stringify({ ...(await thisProcess()), id: "other" })
  await writeFile(fixture.lock, other)
  await lock.release()
  expect(await readFile(fixture.lock, "utf8")).toBe(other)
})
