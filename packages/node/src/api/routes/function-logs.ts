/** What functions said: the last lines, and those that come, one JSON object a line. */
import { Readable } from "node:stream"
import type { Clock, FunctionLogLine, Timer, Tokens } from "@brume/core"
import type { FastifyInstance } from "fastify"
import type { XStatic } from "typebox/schema"
import type { FunctionLogPort, FunctionsPort } from "../function-ports.ts"
import { logLineExample } from "../function-schemas.ts"
import type { Operation } from "../operation.ts"
import { numbered } from "../query-string.ts"
import { isoTime } from "../schemas.ts"
import { endWhenStalled } from "../stall.ts"

export interface FunctionLogOptions {
  readonly functions: Pick<FunctionsPort, "log">
  readonly tokens: Pick<Tokens, "authenticate">
  readonly clock: Clock
  readonly stallMs: number
}

export interface LogFollowers {
  /** Ends all of them. */
  endAll(): void
}

const defaultLines = 100
const mostLines = 1_000
/** An empty line goes out after this much silence, and the token is looked at again. ms. */
const heartbeatMs = 15_000

const operation: Operation = {
  id: "functionLogs",
  tag: "functions",
  summary: "Show what a function said",
  description:
    "One JSON object a line, oldest first. With `follow` the answer does not end: lines come as they are said, and an empty " +
    "one every 15 seconds. Lines live in the node's memory, the last thousand of each function.",
  access: "read",
  wholeNode: true,
  answers: {
    200: {
      description: "Lines.",
      content: {
        "application/x-ndjson": {
          schema: { $ref: "FunctionLogLine#" },
          example: `${JSON.stringify(logLineExample)}\n`,
        },
      },
    },
  },
  problems: ["function_not_found", "functions_busy"],
}

const target = {
  type: "object",
  required: ["name"],
  properties: { name: { type: "string", minLength: 1, maxLength: 63 } },
} as const

const logsQuery = {
  type: "object",
  additionalProperties: false,
  properties: {
    limit: { type: "integer", minimum: 0, maximum: mostLines, default: defaultLines, description: "Lines at first." },
    after: {
      type: "integer",
      minimum: 0,
      description: "Only lines behind this `seq`; all where it is of a former start of the node.",
    },
    follow: { type: "boolean", default: false },
  },
} as const

export function addFunctionLogRoute(app: FastifyInstance, options: FunctionLogOptions): LogFollowers {
  const followers = new Set<() => void>()
  app.route<{ Params: XStatic<typeof target>; Querystring: XStatic<typeof logsQuery> }>({
    method: "GET",
    url: "/v1/functions/:name/logs",
    schema: { params: target, querystring: logsQuery },
    config: { operation },
    preValidation: async (request) => {
      numbered(request.query, ["limit", "after"])
      const query = request.query as Record<string, unknown>
      if (query.follow === "true" || query.follow === "false") query.follow = query.follow === "true"
    },
    handler: (request, reply) => {
      const { limit = defaultLines, follow = false } = request.query
      const log = options.functions.log(request.params.name)
      const after = placeIn(log, request.query.after)
      const first = log.read(after, limit)
      const head = first.map(textOf).join("")
      reply.header("content-type", "application/x-ndjson; charset=utf-8")
      if (!follow) return reply.send(head)
      const { secret } = request
      const from = first.at(-1)?.seq ?? log.read(after, 1).at(-1)?.seq ?? after
      const follower = new Follower(log, from, {
        clock: options.clock,
        isAuthorized: () => secret !== null && options.tokens.authenticate(secret) !== undefined,
      })
      const end = (): void => follower.end()
      followers.add(end)
      reply.raw.once("close", () => {
        followers.delete(end)
        follower.end()
      })
      endWhenStalled(reply.raw, options)
      return reply.send(Readable.from(follower.lines(head), { objectMode: false }))
    },
  })
  return {
    endAll() {
      for (const end of followers) end()
    },
  }
}

/** Numbers begin anew with the node: one that was not reached yet is of a former start. */
function placeIn(log: FunctionLogPort, after = 0): number {
  return after > (log.read(0, 1).at(-1)?.seq ?? 0) ? 0 : after
}

interface FollowerOptions {
  readonly clock: Clock
  isAuthorized(): boolean
}

/** One who reads as fast as lines come, or misses the oldest. */
class Follower {
  readonly #log: FunctionLogPort
  readonly #options: FollowerOptions
  #after: number
  #isOver = false
  #wake: () => void = () => {}

  constructor(log: FunctionLogPort, after: number, options: FollowerOptions) {
    this.#log = log
    this.#after = after
    this.#options = options
  }

  end(): void {
    this.#isOver = true
    this.#wake()
  }

  async *lines(head: string): AsyncGenerator<string, void, undefined> {
    const stop = this.#log.onLine(() => this.#wake())
    try {
      // Even where nothing was said yet: the reader learns that it is connected.
      yield head === "" ? "\n" : head
      while (!this.#isOver && this.#options.isAuthorized()) {
        const lines = this.#log.read(this.#after, mostLines)
        const last = lines.at(-1)
        if (last !== undefined) {
          this.#after = last.seq
          yield lines.map(textOf).join("")
        } else if ((await this.#more()) === "silence") {
          yield "\n"
        }
      }
    } finally {
      stop()
    }
  }

  #more(): Promise<"lines" | "silence"> {
    return new Promise((resolve) => {
      const timer: Timer = this.#options.clock.after(heartbeatMs, () => resolve("silence"))
      this.#wake = () => {
        timer.cancel()
        resolve("lines")
      }
    })
  }
}

function textOf({ time, ...line }: FunctionLogLine): string {
  return `${JSON.stringify({ ...line, time: isoTime(time) })}\n`
}
