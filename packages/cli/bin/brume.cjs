#!/usr/bin/env node
// CommonJS on purpose: it loads without libuv's thread pool, so that the pool's size can still be set here.
// DuckDB runs each statement on a pool thread; the log's fdatasync must never wait for one (docs/decisions/thread-pool.md).
process.env.UV_THREADPOOL_SIZE ??= "12"
void import("../dist/main.js").then((cli) => cli.main(process.argv.slice(2)))
