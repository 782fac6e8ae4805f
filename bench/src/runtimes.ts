/** The built node's own runtimes, without a node around them. */

export interface BenchPool {
  call(call: { kind: "event"; event: unknown; context: { trigger: "direct"; depth: number } }): Promise<unknown>
  close(): Promise<void>
}

export interface BenchRuntimes {
  inspect(): Promise<{ readonly sandbox: string }>
  openPool(options: {
    readonly name: string
    readonly version: number
    readonly network: boolean
    readonly code: {
      readonly runtime: string
      readonly entry: string
      readonly files: Readonly<Record<string, string>>
    }
    readonly limits: Readonly<Record<"timeMs" | "memoryMiB" | "outputBytes" | "concurrency" | "instances", number>>
    ask(): Promise<unknown>
    onLine(): void
  }): BenchPool
  close(): Promise<void>
}

interface BuiltRuntimes {
  createRuntimes(options: Readonly<Record<string, unknown>>): BenchRuntimes
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
const unseen = { counter: () => ({ add: () => {} }), gauge: () => {}, histogram: () => ({ observe: () => {} }) }

export async function openRuntimes({ blanks }: { readonly blanks: number }): Promise<BenchRuntimes> {
  const built = new URL("../../packages/node/dist/", import.meta.url)
  const { createRuntimes } = (await import(new URL("functions/runtimes/runtimes.js", built).href)) as BuiltRuntimes
  const { systemClock } = (await import(new URL("ambient/system-clock.js", built).href)) as { systemClock(): unknown }
  return createRuntimes({ clock: systemClock(), logger: silent, metrics: unseen, hidden: [], blanks })
}
