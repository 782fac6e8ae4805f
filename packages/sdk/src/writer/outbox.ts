/**
 * Sealed batches in a {@link WriterStorage}.
 *
 * O1: a batch is in storage, or storage has refused it, before its first attempt: a retry after a restart carries the
 *     same Idempotency-Key.
 * O2: a text that cannot be read is set aside under another key, reported and never sent.
 */
import { FogError, isFogError } from "@brume/core"
import type { Batch } from "./buffer.ts"
import type { WriterStorage } from "./storage.ts"

/** `<when> <order> <readings> <idempotency key>`: sorts by age, and says enough without reading the text. */
const keyForm = /^(\d{16})-(\d{10})-(\d+)-([0-9a-z]+)$/

export interface Outbox {
  /** The batches of earlier lives, oldest first. */
  recover(): Promise<Omit<Batch, "number">[]>
  /** Resolves either way; a refusal is reported. (O1) */
  keep(batch: Batch): Promise<void>
  /** The lines of a batch, or undefined when they are lost, which is reported. Throws when the storage fails. (O2) */
  read(batch: Batch): Promise<readonly string[] | undefined>
  forget(batch: Batch): Promise<void>
}

export function createOutbox(storage: WriterStorage, report: (error: FogError) => void): Outbox {
  const opened = String(Date.now()).padStart(16, "0")

  async function guarded<T>(what: string, operation: () => Promise<T>): Promise<T | undefined> {
    try {
      return await operation()
    } catch (error) {
      report(storageFailure(error, what))
      return undefined
    }
  }

  return {
    async recover() {
      const keys = await guarded("list its batches", () => storage.keys())
      return (keys ?? []).sort().flatMap((storageKey) => {
        const [, , , readings, key] = keyForm.exec(storageKey) ?? []
        if (readings === undefined || key === undefined) return []
        return [{ key, readings: Number(readings), lines: undefined, length: 0, storageKey }]
      })
    },
    async keep(batch) {
      const order = String(batch.number).padStart(10, "0")
      const storageKey = `${opened}-${order}-${batch.readings}-${batch.key}`
      await guarded("keep a batch", async () => {
        await storage.set(storageKey, `${batch.lines?.join("\n")}\n`)
        batch.storageKey = storageKey
      })
    },
    async read(batch) {
      const { storageKey } = batch
      if (batch.lines !== undefined || storageKey === undefined) return batch.lines
      const text = await storage.get(storageKey).catch((error: unknown) => {
        throw storageFailure(error, "read a batch")
      })
      if (text?.endsWith("}\n") && text.startsWith("{")) return text.slice(0, -1).split("\n")
      report(
        new FogError("store_damaged", {
          message: `The unsent batch ${storageKey} (${batch.readings} readings) is damaged or gone; it is set aside`,
          hint: "Look at it in the writer's storage under its key with damaged- in front.",
        }),
      )
      if (text !== undefined) await guarded("set a batch aside", () => storage.set(`damaged-${storageKey}`, text))
      await guarded("remove a batch", () => storage.remove(storageKey))
      return undefined
    },
    async forget({ storageKey }) {
      if (storageKey !== undefined) await guarded("remove a batch", () => storage.remove(storageKey))
    },
  }
}

function storageFailure(error: unknown, what: string): FogError {
  if (isFogError(error)) return error
  return new FogError("disk_failed", {
    message: `The writer's storage failed to ${what}: ${error instanceof Error ? error.message : String(error)}`,
    hint: "Unsent readings stay in memory; they would not survive a restart.",
    cause: error,
  })
}
