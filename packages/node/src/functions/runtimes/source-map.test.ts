import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { nullMetrics, SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import { systemClock } from "../../ambient/system-clock.ts"
import type { FunctionCode } from "./runtime.ts"
import { createRuntimes } from "./runtimes.ts"

const source = `interface Event {
  readonly celsius: number
}

// Types and comments are gone in what runs, so that lines differ.
function kelvin({ celsius }: Event): number {
  if (celsius < -273.15) throw new RangeError("colder than cold")
  return celsius + 273.15
}

export default async (event: Event): Promise<number> => {
  return kelvin(event)
}
`

/** What a bundler makes of it: CommonJS and a map. */
async function bundle(): Promise<FunctionCode> {
  const folder = await mkdtemp(join(tmpdir(), "brume-source-map-"))
  try {
    await mkdir(join(folder, "src"))
    await writeFile(join(folder, "src/kelvin.ts"), source)
    const compiler = join(process.cwd(), "node_modules/typescript/bin/tsc")
    const flags =
      "--module commonjs --target es2022 --sourceMap --removeComments --rootDir . --outDir out --types".split(" ")
    await promisify(execFile)(process.execPath, [compiler, "src/kelvin.ts", ...flags, ""], { cwd: folder })
    const map = JSON.parse(await readFile(join(folder, "out/src/kelvin.js.map"), "utf8")) as object
    const files = {
      "bundle.cjs": await readFile(join(folder, "out/src/kelvin.js"), "utf8"),
      "bundle.cjs.map": JSON.stringify({ ...map, sources: ["src/kelvin.ts"] }),
    }
    return { runtime: "typescript", entry: "src/kelvin.ts", files }
  } finally {
    await rm(folder, { recursive: true })
  }
}

test("stack traces name the author's own files and lines", async () => {
  const runtimes = createRuntimes({
    clock: systemClock(),
    logger: new SilentLogger(),
    metrics: nullMetrics,
    hidden: [],
  })
  try {
    const pool = runtimes.openPool({
      name: "kelvin",
      version: 1,
      code: await bundle(),
      limits: { timeMs: 10_000, memoryMiB: 128, outputBytes: 10_000, concurrency: 1, instances: 1 },
      network: false,
      ask: async () => null,
      onLine: () => {},
    })
    const call = (celsius: number): Promise<unknown> =>
      pool.call({ kind: "event", event: { celsius }, context: { trigger: "direct", depth: 0 } })
    expect(await call(0)).toBe(273.15)
    const error = (await call(-300).catch((reason: unknown) => reason)) as { details: { stack: string } }
    const { stack } = error.details
    const lineOf = (text: string): number => source.slice(0, source.indexOf(text)).split("\n").length
    expect(stack).toContain(`src/kelvin.ts:${lineOf("throw new")}:`)
    expect(stack).toContain(`src/kelvin.ts:${lineOf("return kelvin")}:`)
    expect(stack).not.toMatch(/bundle\.cjs|runner\.cjs|node:internal/)
  } finally {
    await runtimes.close()
  }
})
