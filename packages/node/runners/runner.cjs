"use strict"
/**
 * Runs one function in JavaScript: this is the whole program of a child process. Frames come and go over file descriptor 3
 * (4 bytes of length, JSON); stdout and stderr are logs. It trusts the daemon and is not trusted by it.
 *
 * Plain CommonJS without a build and without imports beyond Node.js: it starts in the time that Node.js itself takes.
 */
const Module = require("node:module")
const { posix } = require("node:path")
const { flushNow, listen, send, sendLast } = require("./channel.cjs")

// Code may change what everybody shares; the runner keeps its own.
const { stringify, parse } = JSON
const { exit } = process
const isThenable = (value) => typeof value === "object" && value !== null && typeof value.then === "function"

/** Questions to the node at once; others wait their turn. */
const mostAsks = 256
/** Of one question, as JSON: the node takes no larger frames. */
const mostAskBytes = 2 * 1_048_576
const root = "/function/"
/** What Node.js 20 and 24 say when a buffer finds no memory. */
const noMemory = /^(Array buffer allocation failed|Failed to allocate memory)/

/** Calls under way, by id. */
const calls = new Map()
/** Questions without an answer, by id. */
const asks = new Map()
const waitingAsks = []
let lastAsk = 0
let handlers = {}
let facts = { name: "", version: 0, limits: { outputBytes: 0, timeMs: 0 } }

function take(message) {
  switch (message[0]) {
    case "call":
      return begin(message)
    case "answer":
    case "refuse":
      return answered(message)
    case "cancel":
      return calls.get(message[1])?.abort()
    case "ping":
      return send('["pong"]')
    case "load":
      return load(message[1])
  }
}

// Calls.

function begin([, id, kind, event, trigger, key, deadline]) {
  const own = Date.now() + facts.limits.timeMs
  const ctx = new Context(id, trigger, key, deadline === 0 ? own : Math.min(own, deadline))
  calls.set(id, ctx)
  try {
    const result = kind === "fetch" ? answerRequest(event, ctx) : callHandler(event, ctx)
    if (isThenable(result))
      result.then(
        (value) => finish(id, value),
        (error) => fail(id, error),
      )
    else finish(id, result)
  } catch (error) {
    fail(id, error)
  }
}

function callHandler(event, ctx) {
  if (handlers.handler === undefined) throw new TypeError("The function has no default export that can be called")
  return handlers.handler(event, ctx)
}

function finish(id, value) {
  let json
  try {
    json = stringify(value) ?? "null"
  } catch (error) {
    return fail(id, new TypeError(`The result is no JSON: ${error.message}`))
  }
  // Bytes are at most three times the characters.
  const { outputBytes } = facts.limits
  if (json.length * 3 > outputBytes && Buffer.byteLength(json) > outputBytes)
    return fail(
      id,
      new RangeError(`The result has ${Buffer.byteLength(json)} bytes as JSON; the limit is ${outputBytes}`),
    )
  calls.delete(id)
  send(`["result",${id},${json}]`)
}

function fail(id, error) {
  if (isOutOfMemory(error)) return endForMemory()
  calls.delete(id)
  send(stringify(["error", id, described(error)]))
}

function isOutOfMemory(error) {
  return error instanceof RangeError && noMemory.test(error.message)
}

function endForMemory() {
  sendLast('["memory"]', () => exit(70))
}

function described(error) {
  try {
    if (!(error instanceof Error))
      return { name: "Error", message: typeof error === "string" ? error : stringify(error) }
    const { name, message, code, hint } = error
    return {
      name: String(name),
      message: String(message).slice(0, 4096),
      stack: readable(error.stack),
      code: typeof code === "string" ? code : undefined,
      hint: typeof hint === "string" ? hint : undefined,
    }
  } catch {
    return { name: "Error", message: "The function threw what cannot be shown" }
  }
}

/** A stack as the author knows their files: without this program, and relative to their folder. */
function readable(stack) {
  const lines = String(stack).split("\n")
  const own = lines.findIndex((line) => line.includes(__dirname))
  return (own < 0 ? lines : lines.slice(0, own))
    .filter((line) => !line.includes("(node:internal/"))
    .join("\n")
    .replaceAll(`file://${root}`, "")
    .replaceAll(root, "")
}

// What code may ask of the node.

class Context {
  #id
  #controller

  constructor(id, trigger, key, deadline) {
    this.#id = id
    this.trigger = trigger
    this.key = key
    /** ms since 1970. */
    this.deadline = deadline
  }

  get name() {
    return facts.name
  }

  get version() {
    return facts.version
  }

  /** Aborts when nobody waits any more. */
  get signal() {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort() {
    this.#controller ??= new AbortController()
    this.#controller.abort(new DOMException("The call is over its time", "TimeoutError"))
  }

  get publish() {
    return async (topic, payload, options) => {
      const isBytes = payload instanceof Uint8Array
      const text = isBytes
        ? Buffer.from(payload).toString("base64")
        : typeof payload === "string"
          ? payload
          : stringify(payload)
      await ask(this.#id, "publish", [topic, text, isBytes ? "base64" : "utf8", options])
    }
  }

  get query() {
    return (sql, ...parameters) =>
      ask(this.#id, "query", [
        sql,
        parameters.length === 1 && Array.isArray(parameters[0]) ? parameters[0] : parameters,
      ])
  }

  get command() {
    return (device, name, input, options) => ask(this.#id, "command", [device, name, input, options])
  }

  get invoke() {
    return (name, event, options) => ask(this.#id, "invoke", [name, event, options])
  }

  get state() {
    const id = this.#id
    return {
      get: (key) => ask(id, "state.get", [key]),
      set: (key, value) => ask(id, "state.set", [key, value]).then(() => undefined),
      delete: (key) => ask(id, "state.delete", [key]).then(() => undefined),
      compareAndSet: (key, expected, value) => ask(id, "state.compareAndSet", [key, expected, value]),
    }
  }

  get secrets() {
    return { get: (name) => ask(this.#id, "secrets.get", [name]) }
  }

  get log() {
    const say = (level) => (message, fields) => tell(this.#id, level, message, fields)
    return Object.assign(say("info"), {
      debug: say("debug"),
      info: say("info"),
      warn: say("warn"),
      error: say("error"),
    })
  }
}

function tell(id, level, message, fields) {
  const text = typeof message === "string" ? message : (stringify(message) ?? String(message))
  send(stringify(["log", id, level, text.slice(0, 16_384), fields instanceof Error ? described(fields) : fields]))
  // At once: what a call says before it hangs is what its author wants to read.
  flushNow()
}

function ask(call, operation, args) {
  return new Promise((resolve, reject) => {
    const id = ++lastAsk
    const text = `["ask",${id},${call},${stringify(operation)},${stringify(args)}]`
    // Bytes are at most three times the characters.
    if (text.length * 3 > mostAskBytes && Buffer.byteLength(text) > mostAskBytes)
      throw tooLarge(operation, Buffer.byteLength(text))
    const start = () => {
      asks.set(id, { resolve, reject })
      send(text)
    }
    if (asks.size < mostAsks) start()
    else waitingAsks.push(start)
  })
}

function tooLarge(operation, bytes) {
  return Object.assign(
    new Error(`ctx.${operation} was given ${bytes} bytes as JSON; at most ${mostAskBytes} are taken`),
    {
      ...{ name: "FogError", code: "function_refused" },
      hint: "Give it in parts, or keep it elsewhere and give its place.",
    },
  )
}

function answered([kind, id, value]) {
  const question = asks.get(id)
  asks.delete(id)
  if (waitingAsks.length > 0) waitingAsks.shift()()
  if (kind === "answer") return question?.resolve(value)
  const { code, message, hint } = value
  question?.reject(Object.assign(new Error(message), { name: "FogError", code, hint }))
}

// Requests of the web.

async function answerRequest({ method, path, query, headers, body, origin }, ctx) {
  if (handlers.fetch === undefined) throw new TypeError("The function has no export named fetch")
  const address = `${origin ?? "http://localhost"}${path}${query === "" ? "" : `?${query}`}`
  const hasBody = method !== "GET" && method !== "HEAD"
  const request = new Request(address, { method, headers, ...(hasBody ? { body: Buffer.from(body, "base64") } : {}) })
  const response = await handlers.fetch(request, ctx)
  if (!(response instanceof Response)) throw new TypeError("fetch must return a Response")
  return {
    status: response.status,
    headers: [...response.headers],
    body: Buffer.from(await response.arrayBuffer()).toString("base64"),
  }
}

// The code.

function load({ name, version, limits, entry, files }) {
  facts = { name, version, limits }
  try {
    const bundle = files["bundle.cjs"] === undefined ? entry : "bundle.cjs"
    const exported = compile(bundle, files, new Map())
    const main = exported.default ?? exported
    const fetch = exported.fetch ?? main.fetch
    handlers = {
      handler: typeof main === "function" ? main : undefined,
      fetch: typeof fetch === "function" ? fetch.bind(main) : undefined,
    }
    if (handlers.handler === undefined && handlers.fetch === undefined)
      throw new TypeError(`${entry} exports no handler: neither a default function nor one named fetch`)
    // The first use of these takes longer than a call may.
    if (handlers.fetch !== undefined) new Response()
    send('["loaded"]')
  } catch (error) {
    if (isOutOfMemory(error)) return endForMemory()
    send(stringify(["unloadable", described(error)]))
  }
}

function compile(path, files, compiled) {
  const known = compiled.get(path)
  if (known !== undefined) return known.exports
  const module = new Module(root + path)
  module.filename = root + path
  module.paths = []
  module.require = (id) => {
    if (Module.isBuiltin(id)) return require(id)
    const found = id.startsWith(".") ? resolve(posix.join(posix.dirname(path), id), files) : undefined
    if (found === undefined) throw new Error(`Cannot find ${id}, which ${path} wants: deploy bundles what is needed`)
    return compile(found, files, compiled)
  }
  compiled.set(path, module)
  const source = files[path]
  if (source === undefined) throw new Error(`There is no file ${path}`)
  if (path.endsWith(".json")) module.exports = parse(source)
  else module._compile(withMap(source, files[`${path}.map`]), module.filename)
  return module.exports
}

function resolve(path, files) {
  return [path, `${path}.cjs`, `${path}.js`, `${path}.json`, `${path}/index.js`].find((one) => files[one] !== undefined)
}

function withMap(source, map) {
  if (map === undefined) return source
  process.setSourceMapsEnabled(true)
  const encoded = Buffer.from(map).toString("base64")
  return `${source}\n//# sourceMappingURL=data:application/json;base64,${encoded}`
}

// A promise that nobody looks at is the function's own affair; other calls go on.
process.on("unhandledRejection", (error) => tell(null, "error", "A promise was rejected and nobody handled it", error))
// After an error outside of every call, nobody knows what still holds.
process.on("uncaughtException", (error) => {
  if (isOutOfMemory(error)) return endForMemory()
  const { name, message, stack } = described(error)
  process.stderr.write(`${stack ?? ""}\nUncaught ${name}: ${message}\n`)
  exit(70)
})

listen(take)
