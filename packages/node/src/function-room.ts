/** The room of functions as this node has it: what runs them, and what the other rooms do for them. */
import type { Clock, Closeable, Commands, Disk, Documents, Logger, Query, Random, Store } from "@brume/core"
import type { OwnPublisher } from "./devices/mqtt/own-messages.ts"
import { followDocuments } from "./functions/documents.ts"
import { type OpenedFunctions, openFunctions } from "./functions/functions.ts"
import { createRuntimes } from "./functions/runtimes/runtimes.ts"
import type { Registry } from "./metrics/metrics.ts"
import { timetables } from "./timetables.ts"

export interface FunctionRoomOptions {
  readonly store: Pick<Store, "node" | "epoch" | "put" | "get" | "entries">
  readonly disk: Pick<Disk, "read" | "replace" | "makeFolder" | "list" | "remove" | "absolute">
  readonly clock: Clock
  readonly random: Random
  readonly metrics: Registry
  /** Path of the Python interpreter. */
  readonly python: string
  /** A logger that names its room. */
  readonly logger: (room: string) => Logger
}

export interface FunctionRooms {
  readonly functions: OpenedFunctions
  /** Closed after the functions. */
  readonly runtimes: Closeable
  /** From here on functions are called by what happens, and may ask. */
  begin(rooms: FunctionNeighbours): void
}

export interface FunctionNeighbours {
  readonly own: OwnPublisher
  readonly query: Pick<Query, "answer">
  readonly commands: Pick<Commands, "send">
  readonly documents: Pick<Documents, "apply" | "get" | "delete" | "onChange">
}

export async function openFunctionRooms(options: FunctionRoomOptions): Promise<FunctionRooms> {
  const logger = options.logger("functions")
  const runtimes = createRuntimes({ ...options, logger, hidden: [options.disk.absolute("")] })
  const functions = await openFunctions({ ...options, logger, runtimes, timetables })
  return {
    functions,
    runtimes,
    begin({ own, query, commands, documents }) {
      followDocuments(functions, { documents, timetables, logger })
      functions.begin({
        publish: (message, records) => own.publish(message, records),
        query: (request) => query.answer(request),
        command: (request) => commands.send(request),
      })
    },
  }
}
