import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { brotliCompressSync, brotliDecompressSync } from "node:zlib"
import { expect, test } from "vitest"
import { apiRig } from "../../../../../test/rig/api.ts"

async function builtConsole(): Promise<{ folder: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "brume-console-"))
  const folder = join(root, "dist")
  await mkdir(join(folder, "assets"), { recursive: true })
  await writeFile(join(folder, "index.html"), "<!doctype html><title>Console</title>")
  await writeFile(join(folder, "icon.svg"), "<svg/>")
  await writeFile(join(folder, ".hidden"), "no")
  await writeFile(join(folder, "assets", "index-abc123.js"), "run()")
  await writeFile(join(folder, "assets", "index-abc123.js.br"), brotliCompressSync("run()"))
  await writeFile(join(root, "secret"), "no")
  return { folder, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

test("the console is served to everybody: its page is asked for anew, its hashed files never change", async () => {
  await using built = await builtConsole()
  const { fastify } = await (await apiRig()).app({ consoleFolder: built.folder })
  const page = await fastify.inject("/")
  expect([page.statusCode, page.body]).toEqual([200, expect.stringContaining("Console")])
  expect(page.headers).toMatchObject({
    "cache-control": "no-cache",
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": expect.stringContaining("script-src 'self'"),
  })
  const again = await fastify.inject({ url: "/", headers: { "if-none-match": String(page.headers.etag) } })
  expect(again.statusCode).toBe(304)
  const asset = await fastify.inject("/assets/index-abc123.js")
  expect([asset.statusCode, asset.body]).toEqual([200, "run()"])
  expect(asset.headers).toMatchObject({
    "cache-control": "public, max-age=31536000, immutable",
    "content-type": expect.stringMatching(/javascript; charset=utf-8$/),
  })
  expect((await fastify.inject("/icon.svg")).headers["content-type"]).toBe("image/svg+xml")
  expect((await fastify.inject({ method: "HEAD", url: "/" })).statusCode).toBe(200)
})

test("files that were compressed beforehand are sent as they are", async () => {
  await using built = await builtConsole()
  const { fastify } = await (await apiRig()).app({ consoleFolder: built.folder })
  const answer = await fastify.inject({ url: "/assets/index-abc123.js", headers: { "accept-encoding": "gzip, br" } })
  expect([answer.headers["content-encoding"], answer.headers.vary]).toEqual(["br", "accept-encoding"])
  expect(answer.headers["content-type"]).toMatch(/javascript; charset=utf-8$/)
  expect(brotliDecompressSync(answer.rawPayload).toString()).toBe("run()")
})

test.each([
  "/secret",
  "/../secret",
  "/..%2fsecret",
  "/%2e%2e/secret",
  "/assets/..%2f..%2fsecret",
  "/assets/../../secret",
  "/..\\secret",
  "/.hidden",
  "/assets",
  "/assets/",
  "//secret",
  "/assets/none.js",
  "/index.html%00.js",
])("%s is not there", async (url) => {
  await using built = await builtConsole()
  const { fastify } = await (await apiRig()).app({ consoleFolder: built.folder })
  const answer = await fastify.inject({ url })
  expect([answer.statusCode, answer.headers["content-type"]]).toEqual([404, "application/problem+json"])
  expect(answer.headers["cache-control"]).toBe("no-store")
})

test.each([undefined, "/nowhere/at/all"])("a node without a built console (%s) says what it is", async (folder) => {
  const rig = await apiRig()
  const { fastify } = await rig.app(folder === undefined ? {} : { consoleFolder: folder })
  for (const url of ["/", "/?from=link"]) {
    const answer = await fastify.inject(url)
    expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"])
    expect(answer.body).toContain('href="/docs"')
  }
})
