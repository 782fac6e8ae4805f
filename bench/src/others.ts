/** How busy the machine was with something else during a measurement: a figure taken on a busy machine means little. */
import { readFile } from "node:fs/promises"
import { cpus } from "node:os"

interface Measured {
  /** Processor time so far, s. */
  cpuSeconds(): Promise<number>
}

/**
 * Runs `work`, and tells which share of the machine's processors (0 to 1) went to others than the processes that are
 * measured: other programs, the kernel's own threads, and what the host of a virtual machine took away.
 */
export async function withOthersShare<T>(
  processes: readonly Measured[],
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly othersShare: number }> {
  const own = async (): Promise<number> => {
    const times = await Promise.all(processes.map((each) => each.cpuSeconds()))
    return times.reduce((sum, seconds) => sum + seconds, 0)
  }
  const others = async (): Promise<number> => (await busySeconds()) - (await own())
  const started = performance.now()
  const before = await others()
  const result = await work()
  const elapsed = (performance.now() - started) / 1000
  return { result, othersShare: Math.max(0, ((await others()) - before) / elapsed / cpus().length) }
}

/** All processors together: everything but idle and waiting for a disk. */
async function busySeconds(): Promise<number> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n")
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, stolen = 0] = line.split(/\s+/).slice(1).map(Number)
  return (user + nice + system + irq + softIrq + stolen) / 100
}
