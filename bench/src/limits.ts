/** What the machine itself can do, measured in the same run as the contenders. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, open, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { linesOf } from "./load.ts"
import { readingRing } from "./mqtt-packets.ts"

/** fdatasync calls per second, one after the other, each behind a small append. */
export async function fdatasyncRate(seconds = 1): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "fdatasync-"))
  const file = await open(join(folder, "file"), "w")
  const block = Buffer.alloc(512, 1)
  const started = performance.now()
  let count = 0
  while (performance.now() - started < seconds * 1000) {
    await file.write(block)
    await file.datasync()
    count++
  }
  const elapsed = (performance.now() - started) / 1000
  await file.close()
  await rm(folder, { recursive: true })
  return count / elapsed
}

/** Readings per second that JSON.parse alone takes, in arrays of 5,000 small objects. */
export function jsonParseRate(): number {
  const text = JSON.stringify(
    Array.from({ length: 5000 }, (_, index) => ({
      device: `room-${index % 1000}`,
      property: "temperature",
      value: index / 100,
      time: 1.7e12 + index,
    })),
  )
  const started = performance.now()
  let count = 0
  while (performance.now() - started < 500) {
    JSON.parse(text)
    count += 5000
  }
  return (count / (performance.now() - started)) * 1000
}

/** Lines per second that a loop over the bytes alone takes: no parser is faster. */
export function byteScanRate(): number {
  const body = linesOf({ series: 1000, startMs: 1.7e12, stepMs: 1000 }, 0, 5000)
  const started = performance.now()
  let lines = 0
  while (performance.now() - started < 500) {
    for (let index = 0; index < body.length; index++) if (body[index] === 10) lines++
  }
  return (lines / (performance.now() - started)) * 1000
}

/** Resident bytes of a Node.js process that does nothing. */
export async function bareNodeBytes(): Promise<number> {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log('up')"], {
    stdio: ["ignore", "pipe", "ignore"],
  })
  await new Promise((resolve) => child.stdout.once("data", resolve))
  await new Promise((resolve) => setTimeout(resolve, 500))
  const status = await readFile(`/proc/${child.pid}/status`, "utf8")
  child.kill("SIGKILL")
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}

interface PublishParser {
  parse(version: 4, first: number, bytes: Buffer, at: number, end: number): unknown
  readonly frame: { readonly payloadStart: number }
}

/** PUBLISH packets per second that the node's own parser takes from a buffer; undefined when the built node has none. */
export async function publishParseRate(): Promise<number | undefined> {
  const built = new URL("../../packages/node/dist/devices/mqtt/wire/publish-frame.js", import.meta.url)
  if (!existsSync(built)) return undefined
  const { PublishParser } = (await import(built.href)) as { PublishParser: new () => PublishParser }
  const parser = new PublishParser()
  const ring = readingRing({ protocol: "mqtt", index: 0, connections: 1, devices: 1000, slots: 1000 })
  const started = performance.now()
  let parsed = 0
  while (performance.now() - started < 500) {
    for (let at = 0; at < ring.bytes.length; parsed++) {
      const end = at + 2 + ring.bytes[at + 1]!
      const refusal = parser.parse(4, ring.bytes[at]!, ring.bytes, at + 2, end)
      if (refusal !== undefined || end - parser.frame.payloadStart !== 64) throw new Error("a PUBLISH was misread")
      at = end
    }
  }
  return (parsed / (performance.now() - started)) * 1000
}
