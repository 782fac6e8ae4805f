/** Runtimes without processes: the text of a function's code names what a test registered for it. */
import { FogError } from "@brume/core"
import type { Pool, PoolOptions, PoolState } from "../../packages/node/src/functions/runtimes/pool.ts"
import type { Invocation, RunningCall } from "../../packages/node/src/functions/runtimes/runtime.ts"
import type { Runtimes } from "../../packages/node/src/functions/runtimes/runtimes.ts"

export interface FakeCall {
  readonly event: unknown
  readonly key: string
  readonly trigger: string
  readonly version: number
  ask(operation: string, ...args: readonly unknown[]): Promise<unknown>
  say(message: string): void
}

export type FakeCode = (call: FakeCall) => unknown

export interface FakeRuntimes extends Pick<Runtimes, "inspect" | "check" | "openPool"> {
  /** By the text of `bundle.cjs`; other code cannot be loaded. */
  readonly code: Map<string, FakeCode>
  sandbox: "bubblewrap" | "unsandboxed"
  /** Names and versions of pools that are open. */
  readonly open: Set<string>
  /** Every pool from now on says that it is in this state. */
  state: PoolState
}

export function fakeRuntimes(): FakeRuntimes {
  const code = new Map<string, FakeCode>()
  const open = new Set<string>()
  let calls = 0
  const fake: FakeRuntimes = {
    code,
    open,
    sandbox: "bubblewrap",
    state: "ready",
    inspect: async () => ({
      ...{ sandbox: fake.sandbox, reason: "the test says so", remedy: "Ask the test." },
      ...{ bubblewrap: undefined, prlimit: undefined, setpriv: undefined, python: undefined, pythonProblem: undefined },
      pythonRemedy: undefined,
    }),
    check: async () => {},
    openPool: (options) => poolOf(options, fake, () => ++calls),
  }
  return fake
}

function poolOf(options: PoolOptions, fake: FakeRuntimes, nextId: () => number): Pool {
  const { name, version, ask, onLine } = options
  const place = `${name}@${version}`
  const code = fake.code.get(options.code.files["bundle.cjs"] ?? "")
  fake.open.add(place)
  const close = async (): Promise<void> => void fake.open.delete(place)
  return {
    async call({ event, context, deadlineMs = 30_000 }: Invocation) {
      if (fake.state === "parked") throw new FogError("function_parked", { message: `${name} rests` })
      if (code === undefined) throw new FogError("function_failed", { message: "it has no code" })
      const running: RunningCall = { id: nextId(), context, deadline: deadlineMs }
      const { key = "", trigger } = context
      return await code({
        ...{ event, key, trigger, version },
        ask: (operation, ...args) => ask(operation, args, running),
        say: (message) => onLine({ level: "info", message, call: running.id, stream: "log" }),
      })
    },
    async ready() {
      if (code === undefined)
        throw new FogError("function_failed", { message: "SyntaxError: nonsense\n    at main.ts:3:1" })
    },
    status: () => ({
      ...{ state: fake.state, instances: 1, busy: 0, queued: 0, crashes: 0, lastError: undefined },
      sandbox: fake.sandbox,
    }),
    resume: () => {
      fake.state = "ready"
    },
    drain: close,
    close,
    [Symbol.asyncDispose]: close,
  }
}
