/**
 * The house rules that a compiler and a linter cannot see. Each failure names the file, the line and the rule.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { errorRegistry } from "@brume/core"
import { describe, expect, test } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(root, path)))
const read = (path: string): string => readFileSync(join(root, path), "utf8")
const sources = tracked.filter((path) => /\.(ts|svelte|mjs|cjs)$/.test(path))
const isTest = (path: string): boolean => path.endsWith(".test.ts")

/** Every line of `files` that fits `pattern`, as `path:line: text`. */
function linesWith(pattern: RegExp, files: readonly string[]): string[] {
  return files.flatMap((path) =>
    read(path)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

/** Rooms that stand for the outside world may touch it; all others get it as an argument. */
const outsideRooms = ["ambient", "disk", "config", "logger"]
const rooms = sources.filter((path) => {
  const room = /^packages\/node\/src\/([^/]+)\//.exec(path)?.[1]
  return (
    !isTest(path) && (path.startsWith("packages/core/src/") || (room !== undefined && !outsideRooms.includes(room)))
  )
})
/** The store's log is written through the file layer alone; the console is static files that no room wrote. */
const withoutFiles = rooms.filter((path) => !path.startsWith("packages/node/src/api/"))

describe("rooms get the outside world as arguments", () => {
  test.each([
    ["the clock", /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, rooms],
    ["randomness", /\bMath\.random\(|\brandomUUID\(/, rooms],
    ["timers", /(?<![.\w])set(Timeout|Interval)\(/, rooms],
    ["the console", /\bconsole\.\w+\(/, rooms],
    ["the environment", /\bprocess\.env\b/, rooms],
    ["files", /from "(node:)?fs(\/promises)?"/, withoutFiles],
  ] as const)("%s", (_what, pattern, files) => {
    expect(linesWith(pattern, files)).toEqual([])
  })
})

test("a source file is read in one sitting: 400 lines, or 500 of tests", () => {
  const long = [...sources, ...tracked.filter((path) => /^python\/.*\.py$/.test(path))]
    .map((path) => [path, read(path).split("\n").length] as const)
    .filter(([path, lines]) => lines > (isTest(path) ? 500 : 400))
  expect(long).toEqual([])
})

test("no folder or file is named after nothing", () => {
  expect(sources.filter((path) => /(^|[/-])(utils?|helpers?|managers?|misc|common|types)([./-]|$)/.test(path))).toEqual(
    [],
  )
})

test("nothing is left half done", () => {
  const marks = /\b(TODO|FIXME|XXX)\b|@ts-ignore|\bas any\b|\.only\(/
  const own = "test/tidy/tidy.test.ts"
  expect(
    linesWith(
      marks,
      sources.filter((path) => path !== own),
    ),
  ).toEqual([])
})

test("every skipped test says why", () => {
  // `skip()` without a reason, and the modifiers that have no place for one.
  const silent = /\b(test|it|describe)\.(skip|todo|skipIf|runIf)\b|\bskip\(\s*\)/
  const own = "test/tidy/tidy.test.ts"
  expect(
    linesWith(
      silent,
      sources.filter((path) => isTest(path) && path !== own),
    ),
  ).toEqual([])
})

test("every room opens with a header comment", () => {
  const headless = tracked.filter((path) => {
    const [, room, file] = /^packages\/node\/src\/([^/]+)\/([^/]+)\.ts$/.exec(path) ?? []
    return room !== undefined && room === file && !read(path).startsWith("/**")
  })
  expect(headless).toEqual([])
})

test("every error code is documented", () => {
  const page = read("docs/reference/errors.md")
  expect(Object.keys(errorRegistry).filter((code) => !page.includes(`\`${code}\``))).toEqual([])
})

test("every error code is thrown somewhere", () => {
  const text = sources
    .filter((path) => !isTest(path) && path !== "packages/core/src/errors.ts")
    .map(read)
    .join("\n")
  expect(Object.keys(errorRegistry).filter((code) => !text.includes(`"${code}"`))).toEqual([])
})

test("every dependency has its reason", () => {
  const reasons = read("docs/decisions/dependencies.md")
  const manifests = tracked.filter((path) => /(^|\/)package\.json$/.test(path) && !path.startsWith("examples/"))
  const names = manifests.flatMap((path) => {
    const manifest = JSON.parse(read(path)) as Record<string, Record<string, string> | undefined>
    return [...Object.keys(manifest.dependencies ?? {}), ...Object.keys(manifest.devDependencies ?? {})]
  })
  const own = /^(@brume\/|brume$)/
  expect([...new Set(names)].filter((name) => !own.test(name) && !reasons.includes(`\`${name}\``))).toEqual([])
})

test("every package has the version of the whole", () => {
  const { version } = JSON.parse(read("package.json")) as { version: string }
  const manifests = tracked.filter((path) => /^packages\/[^/]+\/package\.json$/.test(path))
  const versions = manifests.map((path) => [path, (JSON.parse(read(path)) as { version: string }).version])
  versions.push(["python", /^version = "(.*)"$/m.exec(read("python/src/brume/version.py"))?.[1] ?? "none"])
  expect(versions.filter(([, own]) => own !== version)).toEqual([])
})

test("no link in the documents is dead", () => {
  const dead: string[] = []
  for (const path of tracked.filter((name) => name.endsWith(".md"))) {
    for (const [, target] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (target === undefined || /^([a-z]+:|#)/.test(target)) continue
      const [file, anchor] = target.split("#")
      const linked = normalize(join(dirname(path), decodeURIComponent(file ?? "")))
      if (!existsSync(join(root, linked))) dead.push(`${path}: ${target}`)
      else if (anchor !== undefined && statSync(join(root, linked)).isFile() && !anchorsOf(read(linked)).has(anchor)) {
        dead.push(`${path}: ${target} (no such heading)`)
      }
    }
  }
  expect(dead).toEqual([])
})

function anchorsOf(markdown: string): Set<string> {
  const headings = markdown.matchAll(/^#+\s+(.*)$/gm)
  const explicit = [...markdown.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id ?? "")
  const slug = (text: string): string =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-")
  return new Set([...explicit, ...[...headings].map(([, text]) => slug(text ?? ""))])
}

test("every decision says its context, choice and price", () => {
  const pages = tracked.filter((path) => /^docs\/decisions\/.*\.md$/.test(path) && !/README|dependencies/.test(path))
  const poor = pages.filter(
    (path) => !/## Context/.test(read(path)) || !/## Choice/.test(read(path)) || !/## Price/.test(read(path)),
  )
  expect(poor).toEqual([])
})

test("the lockfile names no registry", () => {
  expect(linesWith(/"resolved": "http/, ["package-lock.json"]).slice(0, 3)).toEqual([])
})
