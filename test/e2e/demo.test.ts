/** `brume demo` as a person runs it. */
import { type ChildProcess, spawn } from "node:child_process"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { createClient } from "@brume/sdk"
import { expect, test } from "vitest"
import { runBrume, temporaryFolder, until } from "../rig/node-process.ts"

const cli = fileURLToPath(new URL("../../packages/cli/bin/brume.cjs", import.meta.url))

interface Demo extends AsyncDisposable {
  readonly url: string
  readonly token: string
  readonly stdout: () => string
  readonly stderr: () => string
  /** As Ctrl-C does; resolves to the exit code. */
  interrupt(): Promise<number | null>
}

async function startDemo(cwd: string, args: readonly string[]): Promise<Demo> {
  const child: ChildProcess = spawn(process.execPath, [cli, "demo", ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  })
  let stdout = ""
  let stderr = ""
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  const console = (): RegExpExecArray | null => /(http:\S+)\/#token=(\S+)/.exec(stderr)
  await until("the demo is ready", () => console() !== null || !isRunning())
  const [, url, token] = console() ?? []
  if (url === undefined || token === undefined) throw new Error(`brume demo ended with ${child.exitCode}\n${stderr}`)
  return {
    url,
    token,
    stdout: () => stdout,
    stderr: () => stderr,
    interrupt() {
      child.kill("SIGINT")
      return ended
    },
    async [Symbol.asyncDispose]() {
      if (isRunning()) child.kill("SIGKILL")
      await ended
    },
  }
}

const small = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--devices", "5", "--history", "2"]

test("the demo says ready, fills in the past, goes on live, ends cleanly, and goes on where it ended", {
  timeout: 60_000,
}, async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.path, "site")
  await using first = await startDemo(folder.path, ["--data", data, ...small])
  expect(first.stdout()).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+ mqtt:\/\/127\.0\.0\.1:\d+ in \d+ ms\n$/)

  const client = createClient({ url: first.url, token: first.token })
  const count = async (): Promise<number> =>
    Number((await client.query<{ n: number }>("SELECT count(*) AS n FROM readings"))[0]?.n)
  await until("the past is stored", () => first.stderr().includes("are stored after"))
  const before = await count()
  // Two hours of four rooms: temperature, humidity and power every thirty seconds.
  expect(before).toBeGreaterThan(2 * 120 * 4 * 3 * 0.9)
  await until("live readings flow", async () => (await count()) > before + 10)
  const [site] = await client.query<{ devices: number; hours: number; late: number }>(
    `SELECT count(DISTINCT device) AS devices, epoch(max(time) - min(time)) / 3600 AS hours,
       count(*) FILTER (time > now() + INTERVAL '1 minute') AS late FROM readings`,
  )
  expect(Number(site?.devices)).toBe(5)
  expect(site?.hours).toBeGreaterThan(1.9)
  expect(Number(site?.late)).toBe(0)
  const connected: string[] = []
  for await (const one of client.clients.list({ connected: true })) connected.push(`${one.id} ${one.protocol}`)
  expect(connected).toHaveLength(5)
  expect(connected).toContain("hall-a/dairy 5.0")
  // One of them is Python's, or the reason why not was told.
  expect(first.stderr()).toMatch(/pharmacy\/vaccine-fridge is (a device in Python|no Python device)/)
  // What came over MQTT continues what came over HTTP: the same series, with the same unit.
  const twice = await client.query("SELECT device FROM latest GROUP BY device, property HAVING count(*) > 1")
  expect(twice).toEqual([])
  const stored = await count()
  expect(await first.interrupt()).toBe(0)
  expect(first.stdout()).toMatch(/^ready .*\n$/)

  await using second = await startDemo(folder.path, ["--data", data, ...small])
  const again = createClient({ url: second.url, token: second.token })
  const countAgain = async (): Promise<number> =>
    Number((await again.query<{ n: number }>("SELECT count(*) AS n FROM readings"))[0]?.n)
  await until("live readings flow again", async () => (await countAgain()) > stored + 10)
  // The two hours are not told twice.
  expect(await countAgain()).toBeLessThan(stored + before / 2)
  expect(second.stderr()).not.toContain("being filled in")
  expect(await second.interrupt()).toBe(0)
})

test("the demo's node acts: rules, functions in both languages, and devices that do what they are told", {
  timeout: 120_000,
}, async () => {
  await using folder = await temporaryFolder()
  await using demo = await startDemo(folder.path, ["--data", join(folder.path, "site"), ...small, "--speed", "60"])
  const client = createClient({ url: demo.url, token: demo.token })
  const functions = async () => new Map((await client.functions.list()).map(({ name, state }) => [name, state]))
  await until("both functions run", async () => (await functions()).get("drift") === "ready", 60_000)
  expect([...(await functions()).values()]).toEqual(["ready", "ready"])
  // A door that stays open warms the fridge: an alarm, a command of the rule, and a report when it is closed.
  const device = "pharmacy/vaccine-fridge"
  await until("the fridge listens", async () => {
    const told = await client.commands.send({ device, command: "open-door", input: { minutes: 60 } })
    return told.state === "done"
  })
  const boosted = async (): Promise<boolean> => {
    for await (const { command, state, source } of client.commands.list())
      if (command === "boost" && state === "done" && source.startsWith("rule/")) return true
    return false
  }
  await until("it is cooled harder", boosted, 90_000)
  expect(await client.alarms.get(`vaccine-too-warm@${device}`)).toMatchObject({ severity: "critical" })
  await client.commands.send({ device, command: "close-door" })
  const said = async (): Promise<string> => {
    let text = ""
    for await (const { message } of client.functions.logs("door-report")) text += `${message}\n`
    return text
  }
  await until("the function reports the door", async () => (await said()).includes(`The door of ${device} was open`))
  expect(await demo.interrupt()).toBe(0)
})

test("a site of the demo ends at once while it still fills in its past", async () => {
  await using folder = await temporaryFolder()
  await using demo = await startDemo(folder.path, [
    "--http",
    "127.0.0.1:0",
    "--mqtt",
    "127.0.0.1:0",
    "--history",
    "720",
    "--speed",
    "60",
  ])
  expect(await demo.interrupt()).toBe(0)
  expect(demo.stderr()).not.toMatch(/error|fault/i)
})

test("without --http and --mqtt the demo takes the next free ports and says so", async () => {
  await using folder = await temporaryFolder()
  const blockers = [7777, 1883].map((port) => ({ port, server: createServer() }))
  // Where a port is in use already, the demo finds it so.
  for (const { port, server } of blockers) {
    await new Promise<void>((resolve) => {
      server.once("error", () => resolve())
      server.listen({ host: "127.0.0.1", port }, () => resolve())
    })
  }
  try {
    await using demo = await startDemo(folder.path, ["--devices", "1", "--history", "0"])
    expect(new URL(demo.url).port).not.toBe("7777")
    expect(demo.stderr()).toContain("127.0.0.1:7777 is in use")
    expect(demo.stderr()).toContain("127.0.0.1:1883 is in use")
    expect(demo.stdout()).not.toContain("mqtt://127.0.0.1:1883 ")
    expect(await demo.interrupt()).toBe(0)
  } finally {
    for (const { server } of blockers) server.close()
  }
})

test("options that make no sense are refused with their limits", async () => {
  for (const args of [
    ["--speed", "fast"],
    ["--speed", "0"],
    ["--devices", "1.5"],
    ["--history", "-1"],
    ["--weather", "/nowhere.csv"],
  ]) {
    const end = await runBrume(["demo", ...args])
    expect(end.code).toBe(2)
    expect(end.stderr).toContain(args[1])
    expect(end.stdout).toBe("")
  }
})
