import { EventEmitter } from "node:events"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Closeable } from "@brume/core"
import { expect, test } from "vitest"
import { systemAmbient } from "./ambient/ambient.ts"
import { resolveConfig } from "./config/config.ts"
import { type Host, type RunOptions, runNode } from "./main.ts"

/** A process that a test can look into: what it printed, and with which codes somebody wanted to end it. */
class TestHost implements Host {
  readonly events = new EventEmitter()
  readonly exits: number[] = []
  result = ""
  notices = ""
  log = ""
  kept = 0
  ambient = { ...systemAmbient(), hasTerminal: false, writeLog: (text: string) => this.keepLog(text) }

  on(event: string, listener: (reason: unknown) => void): void {
    this.events.on(event, listener)
  }

  off(event: string, listener: (reason: unknown) => void): void {
    this.events.off(event, listener)
  }

  writeResult(text: string): void {
    this.result += text
    this.events.emit("result")
  }

  writeNotice(text: string): void {
    this.notices += text
  }

  age(): number {
    return 412.4
  }

  exit(code: number): void {
    this.exits.push(code)
    this.events.emit("exit")
  }

  stayAlive(): () => void {
    this.kept++
    return () => this.kept--
  }

  keepLog(text: string): void {
    this.log += text
  }

  startFrugally(): () => void {
    this.kept++
    return () => this.kept--
  }

  heard(event: string): Promise<void> {
    return new Promise((resolve) => this.events.once(event, () => resolve()))
  }
}

async function started(options: RunOptions = {}, host: TestHost = new TestHost()) {
  const folder = await mkdtemp(join(tmpdir(), "brume-main-"))
  const flags = [
    { flag: "--data", key: "store.path", value: folder },
    { flag: "--http", key: "api.listen", value: "127.0.0.1:0" },
  ]
  const surroundings = { environment: {}, workingFolder: folder, hostName: "test", readFile }
  const { config } = await resolveConfig({ flags }, surroundings)
  const ready = host.heard("result")
  const ended = runNode(config, options, host)
  return { host, folder, ready, ended, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

test("one ready line on stdout, the token on stderr, and SIGTERM ends it with code 0", async () => {
  await using run = await started()
  await run.ready
  expect(run.host.result).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+ in 412 ms\n$/)
  const token = (await readFile(join(run.folder, "admin-token"), "utf8")).trim()
  expect(run.host.notices).toContain(token)
  expect(run.host.log).not.toContain(token)
  const url = run.host.result.split(" ")[1]!
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  run.host.events.emit("SIGTERM")
  expect(await run.ended).toBe(0)
  expect(run.host.exits).toEqual([])
  expect(run.host.events.eventNames(), "no listener stays").toEqual([])
  expect(run.host.kept).toBe(0)
  await expect(fetch(`${url}/healthz`)).rejects.toThrow()
})

test("SIGHUP changes nothing", async () => {
  await using run = await started()
  await run.ready
  run.host.events.emit("SIGHUP")
  expect((await fetch(`${run.host.result.split(" ")[1]}/healthz`)).status).toBe(200)
  run.host.events.emit("SIGINT")
  expect(await run.ended).toBe(0)
})

test("a signal before it is ready ends it without a ready line", async () => {
  await using run = await started()
  run.host.events.emit("SIGINT")
  expect(await run.ended).toBe(0)
  expect(run.host.result).toBe("")
})

test("what runs beside the node is opened when it is ready and closed before it", async () => {
  const order: string[] = []
  const host = new TestHost()
  await using run = await started(
    {
      beside: async (node) => {
        order.push(`open ${(await fetch(`${node.url}/healthz`)).status}`)
        const close = async () => void order.push(`close ${(await fetch(`${node.url}/healthz`)).status}`)
        host.events.emit("SIGTERM")
        return { close, [Symbol.asyncDispose]: close }
      },
    },
    host,
  )
  expect(await run.ended).toBe(0)
  expect(order).toEqual(["open 200", "close 200"])
})

test("what cannot be opened beside the node closes it too", async () => {
  await using run = await started({ beside: () => Promise.reject(new Error("no weather")) })
  await expect(run.ended).rejects.toThrow("no weather")
  await expect(fetch(`${run.host.result.split(" ")[1]}/healthz`)).rejects.toThrow()
})

/** Something beside the node whose closing never ends. */
const stuck = (): Promise<Closeable> => {
  const close = () => new Promise<void>(() => {})
  return Promise.resolve({ close, [Symbol.asyncDispose]: close })
}

test("a second signal ends the process at once", async () => {
  await using run = await started({ beside: stuck })
  await run.ready
  run.host.events.emit("SIGINT")
  expect(run.host.exits).toEqual([])
  run.host.events.emit("SIGINT")
  run.host.events.emit("SIGTERM")
  expect(run.host.exits).toEqual([130, 143])
})

test("a close that hangs ends with code 1", async () => {
  const host = new TestHost()
  const { clock } = host.ambient
  // The limit of five seconds passes at once.
  const hasty = { ...clock, after: (ms: number, call: () => void) => clock.after(ms === 5_000 ? 10 : ms, call) }
  host.ambient = { ...host.ambient, clock: hasty }
  await using run = await started({ beside: stuck }, host)
  await run.ready
  const exit = run.host.heard("exit")
  run.host.events.emit("SIGTERM")
  await exit
  expect(run.host.exits).toEqual([1])
  expect(run.host.log).toContain("did not close in time")
})

test.each(["uncaughtException", "unhandledRejection"])(
  "%s is logged once with its causes and ends with code 70",
  async (event) => {
    await using run = await started()
    await run.ready
    const exit = run.host.heard("exit")
    const fault = new TypeError("x is not a function", { cause: new Error("the first cause") })
    run.host.events.emit(event, fault)
    run.host.events.emit(event, new Error("a consequence"))
    await exit
    expect(run.host.exits).toEqual([70])
    expect(run.host.log.match(/x is not a function/g)).toHaveLength(1)
    expect(run.host.log).toContain("the first cause")
    expect(run.host.log).not.toContain("a consequence")
  },
)

test("a node that cannot be opened rejects with the reason and leaves no listener", async () => {
  await using first = await started()
  await first.ready
  const host = new TestHost()
  const flags = [{ flag: "--data", key: "store.path", value: first.folder }]
  const { config } = await resolveConfig({ flags }, { environment: {}, workingFolder: "/", hostName: "t", readFile })
  await expect(runNode(config, {}, host)).rejects.toMatchObject({ code: "store_locked" })
  expect(host.events.eventNames()).toEqual([])
  first.host.events.emit("SIGTERM")
  await first.ended
})
