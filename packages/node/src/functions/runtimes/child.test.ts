import { execFileSync } from "node:child_process"
import { afterAll, describe, expect, test } from "vitest"
import { systemClock } from "../../ambient/system-clock.ts"
import { Child, type Ending } from "./child.ts"
import { createRemoteStarter } from "./remote-starter.ts"
import { directStarter, type Starter } from "./starter.ts"

interface Watched {
  readonly child: Child
  readonly printed: () => string
  readonly messages: unknown[]
  readonly ending: Promise<Ending>
}

function watch(starter: Starter, file: string, ...args: string[]): Watched {
  const child = new Child({ file, args, environment: { PATH: "/usr/bin:/bin" } }, systemClock(), starter)
  let printed = ""
  const messages: unknown[] = []
  const ending = new Promise<Ending>((resolve) =>
    child.own({
      onMessage: (message) => messages.push(message),
      onPrint: (stream, text) => {
        printed += `${stream}:${text}`
        return true
      },
      onEnd: resolve,
    }),
  )
  return { child, printed: () => printed, messages, ending }
}

const shell = (starter: Starter, script: string): Watched => watch(starter, "/bin/sh", "-c", script)
/** Says something over its socket, and ends when it was told something. */
const echo = String.raw`printf '\000\000\000\006["up"]' >&3; until head -c 12 <&3 2>/dev/null; do sleep 0.01; done`

/** What runs of a process group; what only waits to be forgotten does not. */
function groupOf(pid: number | undefined): string[] {
  const lines = execFileSync("ps", ["-eo", "pgid=,args="], { encoding: "utf8" }).split("\n")
  return lines.filter((line) => line.trim().startsWith(`${pid} `) && !line.includes("<defunct>"))
}

describe.each([
  ["directly", directStarter],
  ["by the helper", createRemoteStarter("/usr/bin/setpriv")],
  ["by the helper, without setpriv", createRemoteStarter(undefined)],
])("a process that is started %s", (_name, starter) => {
  afterAll(() => starter.close())

  test("its output, its messages and its code arrive, however soon it ends", async () => {
    const { child, ending, printed, messages } = shell(starter, `echo out; echo err >&2; ${echo}; exit 3`)
    child.send('["hello"]')
    expect(await ending).toMatchObject({ code: 3, signal: undefined, reason: undefined, lastWords: "err\n" })
    expect(printed()).toContain("stdout:out\n")
    expect(messages).toEqual([["up"]])
  })

  test("a program that is not there is an error", async () => {
    expect((await watch(starter, "/nothing/here").ending).error?.message).toContain("ENOENT")
  })

  test("it is stopped with all that it started, even before it runs", async () => {
    const { child, ending } = shell(starter, "sleep 60 & sleep 60")
    child.stop("at once")
    expect(await ending).toMatchObject({ signal: "SIGKILL", reason: "at once" })
    const other = shell(starter, "sleep 61 & echo up; sleep 61")
    await expect.poll(() => other.printed()).toContain("up")
    other.child.stop("later")
    expect(await other.ending).toMatchObject({ signal: "SIGKILL", reason: "later" })
    await expect.poll(() => groupOf(other.child.pid)).toEqual([])
  })

  test("one that closes its socket is stopped", async () => {
    expect(await shell(starter, "exec 3>&- 3<&-; sleep 60").ending).toMatchObject({ reason: "it closed its socket" })
  })
})
