/** A node for writers: keeps what it acknowledged, each key once, like the real one; and a storage in memory. */
import { createClient, type Writer, type WriterOptions, type WriterStorage } from "@brume/sdk"
import { json, type ScriptedNode, scriptedNode } from "./scripted-node.ts"

const retry = { firstDelayMs: 2, maxDelayMs: 10 }
/** One reading that is known by its value. */
export const reading = (value: number) => ({ device: "d", property: "p", value, time: value })
export const valuesOf = (body: string): number[] =>
  body.split("\n").map((line) => (JSON.parse(line) as { value: number }).value)
export const until = async (what: string, check: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 2_000; turn++) {
    if (check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`never: ${what}`)
}

export interface StoringNode extends ScriptedNode {
  readonly stored: number[]
  /** Keys that came with different bodies. */
  conflicts(): string[]
}

/** A node that keeps what it acknowledged, each key once, like the real one. */
export async function storingNode(): Promise<StoringNode> {
  const stored: number[] = []
  const keys = new Set<string>()
  const node = await scriptedNode(({ headers, body }, response) => {
    const key = String(headers["idempotency-key"])
    const values = valuesOf(body)
    if (!keys.has(key)) stored.push(...values)
    keys.add(key)
    json(response, { accepted: values.length, seq: 0, epoch: "e" })
  })
  const conflicts = (): string[] => {
    const bodies = new Map<string, string>()
    return node.requests.flatMap(({ headers, body }) => {
      const key = String(headers["idempotency-key"])
      const before = bodies.get(key) ?? body
      bodies.set(key, body)
      return before === body ? [] : [key]
    })
  }
  return Object.assign(node, { stored, conflicts })
}

export function memoryStorage(): WriterStorage & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>()
  return {
    texts,
    keys: async () => [...texts.keys()],
    get: async (key) => texts.get(key),
    set: async (key, text) => void texts.set(key, text),
    remove: async (key) => void texts.delete(key),
  }
}

export const writerOf = (node: { readonly url: string }, options: WriterOptions = {}): Writer =>
  createClient({ url: node.url }).writer({ retry, maxDelayMs: 5, ...options })
