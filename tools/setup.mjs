/**
 * What both README commands do first: install and build, each only when something changed. Needs Node and npm alone.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamps = join(root, "node_modules/.cache/brume")

/** Runs a command in the project; resolves to its exit code, 128 + n when a signal ended it. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", shell: process.platform === "win32", ...options })
    child.once("error", reject)
    child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 130)))
  })
}

async function must(what, command, args) {
  const started = performance.now()
  process.stderr.write(`${what} …\n`)
  // Stdout belongs to the command that the person asked for.
  const code = await run(command, args, { stdio: ["ignore", 2, 2] })
  if (code !== 0) {
    process.stderr.write(`${what}: failed with exit code ${code}\n`)
    process.exit(code)
  }
  process.stderr.write(`${what}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`)
}

export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  process.stderr.write(
    `Brume needs Node.js 20.19 or newer; this is ${process.version}. Get a newer one from https://nodejs.org\n`,
  )
  process.exit(2)
}

/** All regular files below the given places, without tests and results. */
function* sources(places) {
  for (const place of places) {
    const path = join(root, place)
    if (!existsSync(path)) continue
    if (statSync(path).isFile()) yield path
    else {
      for (const entry of readdirSync(path, { withFileTypes: true, recursive: true })) {
        const file = join(entry.parentPath ?? entry.path, entry.name)
        if (entry.isFile() && !/node_modules|[\\/]dist[\\/]/.test(relative(root, file))) yield file
      }
    }
  }
}

function digest(places) {
  const hash = createHash("sha256").update(process.platform + process.arch)
  for (const file of [...sources(places)].sort())
    hash.update(relative(root, file)).update("\0").update(readFileSync(file))
  return hash.digest("hex")
}

/** Does `work` unless it was done for exactly these sources before. */
async function once(name, places, isThere, work) {
  const stamp = join(stamps, name)
  const wanted = digest(places)
  if (isThere() && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return
  await work()
  mkdirSync(stamps, { recursive: true })
  writeFileSync(stamp, wanted)
}

export async function install() {
  await once(
    "install",
    ["package-lock.json"],
    () => existsSync(join(root, "node_modules/.package-lock.json")),
    () => must("Installing packages", "npm", ["ci", "--no-audit", "--no-fund"]),
  )
}

const compiler = join(root, "node_modules/typescript/bin/tsc")

export async function build() {
  const packages = ["core", "sdk", "node", "cli", "testkit"]
  await once(
    "build",
    ["tsconfig.base.json", ...packages.flatMap((name) => [`packages/${name}/src`, `packages/${name}/tsconfig.json`])],
    () => packages.every((name) => existsSync(join(root, `packages/${name}/dist`))),
    () => must("Building", process.execPath, [compiler, "-b", ...packages.map((name) => `packages/${name}`)]),
  )
  await once(
    "console",
    ["packages/console", "packages/sdk/src", "packages/core/src"],
    () => existsSync(join(root, "packages/console/dist/index.html")),
    () => must("Building the console", "npm", ["run", "--silent", "build", "-w", "@brume/console"]),
  )
}
