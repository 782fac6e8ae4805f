import { expect, test } from "vitest"
import { describeDisk } from "./describe-disk.ts"
import { FaultyDisk } from "./faulty-disk.ts"
import { MemoryDisk } from "./memory-disk.ts"
import { RecordingDisk } from "./recording-disk.ts"
import { SeededRandom } from "./seeded-random.ts"

const nothing = async () => {}
describeDisk("the memory disk", async () => ({ disk: new MemoryDisk(), [Symbol.asyncDispose]: nothing }))
describeDisk("the recording disk", async () => ({
  disk: new RecordingDisk(new MemoryDisk()),
  [Symbol.asyncDispose]: nothing,
}))
describeDisk("the faulty disk without faults", async () => ({
  disk: new FaultyDisk(new MemoryDisk()),
  [Symbol.asyncDispose]: nothing,
}))

async function write(disk: MemoryDisk | RecordingDisk, path: string, content: Uint8Array, synced: boolean) {
  const file = await disk.open(path, { create: true })
  await file.write([content], 0)
  if (synced) await file.sync()
  await file.close()
}

test("a power cut keeps what was synced in a synced folder, and only that for certain", async () => {
  const disk = new MemoryDisk()
  await write(disk, "synced", new Uint8Array(2000).fill(1), true)
  await write(disk, "half", new Uint8Array(2000).fill(1), false)
  await disk.syncFolder("")
  await write(disk, "nameless", new Uint8Array(2000).fill(1), true)
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const left = disk.crash(new SeededRandom(seed))
    expect(Buffer.compare(left.contentOf("synced"), Buffer.alloc(2000, 1))).toBe(0)
    const half = left.contentOf("half")
    const sectors = [0, 512, 1024, 1536].map((at) => (at < half.length ? half[at] : "-"))
    seen.add(`${half.length}:${sectors.join("")}`)
    seen.add(`nameless ${left.paths().includes("nameless")}`)
  }
  // Whole, gone, cut at a sector, with a hole; the name kept and lost.
  for (const one of ["2000:1111", "0:----", "512:1---", "2000:0111", "nameless true", "nameless false"]) {
    expect(seen).toContain(one)
  }
})

test("a sync covers what was written before it began, not what came meanwhile", async () => {
  const disk = new MemoryDisk()
  const file = await disk.open("a", { create: true })
  await disk.syncFolder("")
  await file.write([new Uint8Array([1])], 0)
  const syncing = file.sync()
  await file.write([new Uint8Array([2])], 1)
  await syncing
  expect(disk.after("dropped").contentOf("a")).toEqual(new Uint8Array([1]))
})

test("a durable write is durable when it resolves, and not before", async () => {
  const disk = new RecordingDisk(new MemoryDisk())
  const file = await disk.open("a", { create: true, durable: true })
  await disk.syncFolder("")
  const before = disk.length
  await file.write([new Uint8Array([1])], 0)
  const images = Array.from({ length: disk.length - before + 1 }, (_, i) => disk.imageAt(before + i, "dropped"))
  expect(images.map((image) => image.contentOf("a").length)).toEqual([0, 0, 0, 1])
  const below = new MemoryDisk()
  const faulty = new FaultyDisk(below)
  const other = await faulty.open("b", { create: true, durable: true })
  await below.syncFolder("")
  await other.write([new Uint8Array([1])], 0)
  expect(below.after("dropped").contentOf("b")).toEqual(new Uint8Array([1]))
  faulty.fail({ operation: "sync", systemError: "ENOSPC" })
  await expect(other.write([new Uint8Array([2])], 1)).rejects.toMatchObject({ code: "store_full" })
  below.failNextSync("b")
  await expect(other.write([new Uint8Array([3])], 2)).rejects.toMatchObject({ code: "disk_failed" })
  expect(below.after("dropped").contentOf("b")).toEqual(new Uint8Array([1, 2]))
})

test("an unsynced rename leaves the old names or the new ones", async () => {
  const disk = new MemoryDisk()
  await write(disk, "a", new Uint8Array([1]), true)
  await disk.syncFolder("")
  await disk.rename("a", "b")
  const seen = new Set<string>()
  for (let seed = 0; seed < 50; seed++) seen.add(disk.crash(new SeededRandom(seed)).paths().join())
  expect([...seen].sort()).toEqual(["a", "b"])
})

test("a buffer that changes while it is written is noticed", async () => {
  const disk = new MemoryDisk()
  const file = await disk.open("a", { create: true })
  const buffer = new Uint8Array([1])
  const writing = file.write([buffer], 0)
  buffer[0] = 2
  await expect(writing).rejects.toThrow("changed")
})

test("images of a recording follow its changes one by one", async () => {
  const disk = new RecordingDisk(new MemoryDisk())
  const lengths: number[] = []
  const file = await disk.open("a", { create: true })
  await disk.syncFolder("")
  for (let i = 0; i < 3; i++) {
    await file.write([new Uint8Array([i])], i)
    await file.sync()
    lengths.push(disk.length)
  }
  await disk.replace("b", new Uint8Array([9]))
  expect(lengths.map((length) => disk.imageAt(length, "dropped").contentOf("a").length)).toEqual([1, 2, 3])
  expect(disk.imageAt(lengths[0]! + 1, "kept").contentOf("a")).toEqual(new Uint8Array([0, 1]))
  expect(disk.imageAt(lengths[0]! + 1, "dropped").contentOf("a")).toEqual(new Uint8Array([0]))
  expect(disk.imageAt(disk.length, "dropped").contentOf("b")).toEqual(new Uint8Array([9]))
})

test("a file that somebody else wrote is recorded when it is synced", async () => {
  const below = new MemoryDisk()
  const disk = new RecordingDisk(below)
  below.overwrite("foreign", new Uint8Array([1, 2]))
  await disk.sync("foreign")
  await disk.syncFolder("")
  expect(disk.imageAt(disk.length, "dropped").contentOf("foreign")).toEqual(new Uint8Array([1, 2]))
  const target = new MemoryDisk()
  await disk.writeImageAt(disk.length, "kept", target)
  expect(target.after("dropped").contentOf("foreign")).toEqual(new Uint8Array([1, 2]))
})

test("planned failures hit the right operation once, and room runs out at the byte", async () => {
  const below = new MemoryDisk()
  const disk = new FaultyDisk(below)
  disk.fail({ operation: "sync", nth: 2, path: "a" })
  const file = await disk.open("a", { create: true })
  await file.sync()
  await expect(file.sync()).rejects.toMatchObject({ code: "disk_failed" })
  await file.sync()
  disk.limitRoom(3)
  await expect(file.write([new Uint8Array(2), new Uint8Array(2)], 0)).rejects.toMatchObject({ code: "store_full" })
  expect(below.contentOf("a").length).toBe(3)
  disk.heal()
  await file.write([new Uint8Array(4)], 0)
})
