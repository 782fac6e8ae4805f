/** A document as the log has it: JSON, with a number that says which; its kind and name are in the key too. */
import type { KeyedRecord, StoredDocument } from "@brume/core"

export const documentPrefix = "doc/"
const formatVersion = 1

export function documentKey(kind: string, name: string): string {
  return `${documentPrefix}${kind}/${name}`
}

export function parseDocumentKey(key: string): { readonly kind: string; readonly name: string } | undefined {
  const [, kind, name] = /^doc\/([^/]+)\/(.+)$/s.exec(key) ?? []
  return kind === undefined || name === undefined ? undefined : { kind, name }
}

export function documentRecord(stored: StoredDocument): KeyedRecord & { readonly value: Uint8Array } {
  const { status, ...document } = stored
  const value = Buffer.from(JSON.stringify({ v: formatVersion, ...status, document }))
  return { kind: "document", key: documentKey(document.kind, document.metadata.name), value }
}

/** undefined when these are not the bytes of a document. What it says of itself is not checked against any schema. */
export function readDocument(value: Uint8Array): StoredDocument | undefined {
  try {
    const read = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value)) as Record<string, unknown>
    const { v, generation, created, changed, document } = read
    const isGood = [generation, created, changed].every(Number.isSafeInteger)
    if (v !== formatVersion || !isGood || typeof document !== "object" || document === null) return undefined
    return { ...document, status: { generation, created, changed } } as StoredDocument
  } catch {
    return undefined
  }
}
