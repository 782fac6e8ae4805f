/** The conformance suite of core's `Disk`. A driver's own test is three lines. */
import { type Disk, isFogError } from "@brume/core"
import { describe, expect, test } from "vitest"

/** A disk on an empty folder; disposing of it removes the folder. */
export interface DiskFixture extends AsyncDisposable {
  readonly disk: Disk
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (content: Uint8Array | undefined): string | undefined =>
  content === undefined ? undefined : new TextDecoder().decode(content)

export function describeDisk(name: string, open: () => Promise<DiskFixture>): void {
  describe(`${name} as a disk`, () => {
    describeFiles(open)
    describeNames(open)
    describeWholeFiles(open)
  })
}

function describeFiles(open: () => Promise<DiskFixture>): void {
  test("a file holds what was written, at its position, from several buffers", async () => {
    await using fixture = await open()
    const file = await fixture.disk.open("a", { create: true })
    await file.write([bytes("one"), new Uint8Array(0), bytes("two")], 0)
    await file.write([bytes("X")], 2)
    await file.sync()
    expect(await file.size()).toBe(6)
    await file.close()
    expect(text(await fixture.disk.read("a"))).toBe("onXtwo")
  })

  test("thousands of buffers are written in order", async () => {
    await using fixture = await open()
    const file = await fixture.disk.open("a", { create: true })
    const parts = Array.from({ length: 3000 }, (_, i) => bytes(`${i};`))
    await file.write(parts, 0)
    await file.close()
    expect(text(await fixture.disk.read("a"))).toBe(parts.map((part) => text(part)).join(""))
  })

  test("reading ends at the end of the file", async () => {
    await using fixture = await open()
    const file = await fixture.disk.open("a", { create: true })
    await file.write([bytes("hello")], 0)
    const buffer = new Uint8Array(10)
    expect(await file.read(buffer, 3)).toBe(2)
    expect(text(buffer.subarray(0, 2))).toBe("lo")
    expect(await file.read(buffer, 5)).toBe(0)
    expect(await file.read(buffer, 99)).toBe(0)
    await file.close()
  })

  test("a truncated file is shorter, and grows again with zeros", async () => {
    await using fixture = await open()
    const file = await fixture.disk.open("a", { create: true })
    await file.write([bytes("abcdef")], 0)
    await file.truncate(2)
    expect(await file.size()).toBe(2)
    await file.write([bytes("z")], 4)
    await file.close()
    expect(await fixture.disk.read("a")).toEqual(new Uint8Array([97, 98, 0, 0, 122]))
  })

  test("a file of durable writes holds what was written, at its position", async () => {
    await using fixture = await open()
    const file = await fixture.disk.open("a", { create: true, durable: true })
    await file.write([bytes("one"), bytes("two")], 0)
    await file.write([bytes("X")], 2)
    await file.truncate(4)
    await file.sync()
    const buffer = new Uint8Array(10)
    expect(text(buffer.subarray(0, await file.read(buffer, 0)))).toBe("onXt")
    expect(await file.size()).toBe(4)
    await file.close()
    await expect(file.write([bytes("x")], 0)).rejects.toSatisfy((error) => isFogError(error, "disk_failed"))
    await expect(fixture.disk.open("b", { durable: true })).rejects.toSatisfy((error) =>
      isFogError(error, "disk_failed"),
    )
  })

  test("opening again keeps the content", async () => {
    await using fixture = await open()
    for (const content of ["first", "second"]) {
      const file = await fixture.disk.open("a", { create: true })
      await file.write([bytes(content)], await file.size())
      await file.close()
    }
    expect(text(await fixture.disk.read("a"))).toBe("firstsecond")
  })

  test("closing twice is fine, using a closed file fails", async () => {
    await using fixture = await open()
    const file = await fixture.disk.open("a", { create: true })
    await file.close()
    await file.close()
    await expect(file.write([bytes("x")], 0)).rejects.toSatisfy((error) => isFogError(error, "disk_failed"))
  })

  test("an open file outlives its name", async () => {
    await using fixture = await open()
    const file = await fixture.disk.open("a", { create: true })
    await file.write([bytes("x")], 0)
    await fixture.disk.rename("a", "b")
    await file.write([bytes("y")], 1)
    expect(text(await fixture.disk.read("b"))).toBe("xy")
    await file.close()
  })
}

function describeNames(open: () => Promise<DiskFixture>): void {
  test("missing files are undefined, and removing them is fine", async () => {
    await using fixture = await open()
    const { disk } = fixture
    expect(await disk.read("nothing")).toBeUndefined()
    expect(await disk.size("nothing")).toBeUndefined()
    expect(await disk.list("nothing")).toEqual([])
    await disk.remove("nothing")
  })

  test("opening, hashing and renaming a missing file fail with its name", async () => {
    await using fixture = await open()
    const { disk } = fixture
    for (const call of [() => disk.open("gone"), () => disk.hash("gone"), () => disk.rename("gone", "b")]) {
      await expect(call()).rejects.toSatisfy(
        (error) => isFogError(error, "disk_failed") && error.message.includes("gone") && error.cause instanceof Error,
      )
    }
  })

  test("folders list their names sorted, without what lies deeper", async () => {
    await using fixture = await open()
    const { disk } = fixture
    await disk.makeFolder("deep/er")
    await disk.makeFolder("deep/er")
    for (const path of ["deep/b", "deep/a", "deep/er/c"]) await (await disk.open(path, { create: true })).close()
    await disk.syncFolder("deep")
    expect(await disk.list("deep")).toEqual(["a", "b", "er"])
    expect(await disk.list("")).toEqual(["deep"])
  })

  test("a file in a missing folder cannot be created", async () => {
    await using fixture = await open()
    await expect(fixture.disk.open("no/where", { create: true })).rejects.toSatisfy((error) =>
      isFogError(error, "disk_failed"),
    )
  })

  test("renaming replaces the target", async () => {
    await using fixture = await open()
    const { disk } = fixture
    await disk.makeFolder("other")
    await disk.replace("a", bytes("new"))
    await disk.replace("other/b", bytes("old"))
    await disk.rename("a", "other/b")
    expect(text(await disk.read("other/b"))).toBe("new")
    expect(await disk.list("")).toEqual(["other"])
  })

  test("absolute paths have slashes on every system", async () => {
    await using fixture = await open()
    expect(fixture.disk.absolute("a/b")).toMatch(/^(\/|[A-Z]:\/)[^\\]*a\/b$/)
  })

  test("paths that leave the folder are refused", async () => {
    await using fixture = await open()
    const { disk } = fixture
    for (const path of ["../a", "a/../../b", "/a", "a//b", "./a", "a\\b"]) {
      await expect((async () => disk.read(path))()).rejects.toBeInstanceOf(TypeError)
    }
  })
}

function describeWholeFiles(open: () => Promise<DiskFixture>): void {
  test("replace swaps the whole content and leaves nothing beside", async () => {
    await using fixture = await open()
    const { disk } = fixture
    await disk.replace("a", bytes("a long first content"))
    await disk.replace("a", bytes("short"))
    expect(text(await disk.read("a"))).toBe("short")
    expect(await disk.list("")).toEqual(["a"])
  })

  test("replaces of one path at the same time end with the last one", async () => {
    await using fixture = await open()
    const { disk } = fixture
    await Promise.all(Array.from({ length: 10 }, (_, i) => disk.replace("a", bytes(`content ${i}`.repeat(i + 1)))))
    expect(text(await disk.read("a"))).toBe("content 9".repeat(10))
    expect(await disk.list("")).toEqual(["a"])
  })

  test("size and hash tell of the content", async () => {
    await using fixture = await open()
    const { disk } = fixture
    await disk.replace("a", bytes("abc"))
    await disk.sync("a")
    expect(await disk.size("a")).toBe(3)
    expect(await disk.hash("a")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  })

  test("there is room", async () => {
    await using fixture = await open()
    expect(await fixture.disk.freeBytes()).toBeGreaterThan(0)
  })

  test("a second lock is refused until the first is released, and releasing twice is fine", async () => {
    await using fixture = await open()
    const { disk } = fixture
    const first = await disk.lock("lock")
    await expect(disk.lock("lock")).rejects.toSatisfy((error) => isFogError(error, "store_locked"))
    await first.release()
    const second = await disk.lock("lock")
    await first.release()
    await expect(disk.lock("lock")).rejects.toSatisfy((error) => isFogError(error, "store_locked"))
    await second.release()
  })
}
