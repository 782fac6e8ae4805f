#!/usr/bin/env node
// CommonJS on purpose: it loads without libuv's thread pool, so that the pool's size can still be set here.
// DuckDB runs each statement on a pool thread; the log's fdatasync must never wait for one (docs/decisions/thread-pool.md).
process.env.UV_THREADPOOL_SIZE ??= "12"

const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`brume needs Node.js 20.19 or newer; this is ${process.version}. See https://nodejs.org\n`)
  process.exitCode = 2
} else {
  import("../dist/main.js").then(
    (cli) => cli.main(process.argv.slice(2)),
    (error) => {
      const isUnbuilt = error.code === "ERR_MODULE_NOT_FOUND" && /[\\/]dist[\\/]/.test(error.message)
      process.stderr.write(
        isUnbuilt ? "brume is not built yet: run `npm run build` in its repository\n" : `${error.stack}\n`,
      )
      process.exitCode = 70
    },
  )
}
