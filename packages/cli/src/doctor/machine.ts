/** Checks of this machine. */
import { type Check, fail, ok, warn } from "./check.ts"

/** Statements of users occupy up to four threads, the log's sync and the name service need others. */
const minThreads = 8
/** Nothing runs Brume before it was made. */
const earliest = Date.UTC(2026, 0, 1)

export function checkNodeVersion(version: string = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const isFit = major > 20 || (major === 20 && minor >= 19)
  return isFit
    ? ok("Node.js", version)
    : fail("Node.js", `${version} is too old`, "Install Node.js 20.19 or newer from https://nodejs.org.")
}

export function checkThreads(environment: Readonly<Record<string, string | undefined>>): Check {
  const threads = Number(environment.UV_THREADPOOL_SIZE ?? 4)
  return threads >= minThreads
    ? ok("Thread pool", `${threads} threads`)
    : warn(
        "Thread pool",
        `${environment.UV_THREADPOOL_SIZE} threads: slow queries would hold the log's sync back`,
        "Unset UV_THREADPOOL_SIZE, or set it to 12.",
      )
}

export function checkClock(now: number = Date.now()): Check {
  const time = new Date(now).toISOString()
  return now >= earliest
    ? ok("Clock", time)
    : fail("Clock", `${time} cannot be the time`, "Set the machine's clock, e.g. with NTP; readings carry its time.")
}
