/** The room of commands over a store in memory, and devices that a test speaks for. */
import type { Clock, KeyedRecord, Random, Store } from "@brume/core"
import { nullMetrics, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import {
  type CommandLimits,
  type OpenedCommands,
  openCommands,
} from "../../packages/node/src/devices/commands/commands.ts"
import type { CommandMapping } from "../../packages/node/src/devices/commands/targets.ts"
import type { OwnMessage, OwnMessages, PlannedMessage } from "../../packages/node/src/devices/mqtt/own-messages.ts"
import { MemoryStore } from "./memory-store.ts"

/** `connected`: gets it at once; `asleep`: a session keeps it; `gone`: nobody subscribes. */
export type Presence = "connected" | "asleep" | "gone"

export class Devices implements OwnMessages {
  readonly #clock: Clock
  #presence: Presence = "connected"
  /** What has left the node, in order. */
  readonly heard: OwnMessage[] = []
  /** What sessions keep. */
  #kept: { readonly message: OwnMessage; wasSent: boolean }[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Who comes back gets what was kept and has not expired. */
  become(presence: Presence): void {
    this.#presence = presence
    if (presence !== "connected") return
    for (const one of this.#kept.splice(0)) {
      if ((one.message.expiresAt ?? Number.POSITIVE_INFINITY) <= this.#clock.now()) continue
      one.wasSent = true
      this.heard.push(one.message)
    }
  }

  plan(message: OwnMessage): PlannedMessage {
    const presence = this.#presence
    const kept = { message, wasSent: false }
    return {
      records: presence === "asleep" ? [{ kind: "session", key: "kept", value: message.payload }] : [],
      isReaching: presence !== "gone",
      taken: undefined,
      isSent: () => kept.wasSent,
      end: (error) => {
        if (error !== undefined || presence === "gone") return
        if (this.#presence !== "connected") {
          // Who is not there and has no session any more loses it.
          if (presence === "asleep") this.#kept.push(kept)
          else kept.wasSent = true
          return
        }
        kept.wasSent = true
        this.heard.push(message)
      },
    }
  }

  /** Payloads of what has left, parsed. */
  envelopes(): Record<string, unknown>[] {
    return this.heard.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>)
  }
}

export interface CommandRig extends AsyncDisposable {
  readonly store: MemoryStore
  readonly clock: VirtualClock
  readonly devices: Devices
  readonly logger: SilentLogger
  commands: OpenedCommands
  /** A message of a device; resolves when its turn is over. Tells whether something was made of it that is durable. */
  say(topic: string, said: unknown, store?: Pick<Store, "put">): Promise<boolean>
  /** The node dies, and comes again with what is in the store. */
  restart(): void
}

export interface CommandRigOptions {
  readonly limits?: Partial<CommandLimits>
  readonly mappings?: readonly CommandMapping[]
  readonly random?: Random
}

export function commandRig({
  limits = {},
  mappings = [],
  random = new SeededRandom(1),
}: CommandRigOptions = {}): CommandRig {
  const clock = new VirtualClock()
  const store = new MemoryStore()
  const devices = new Devices(clock)
  const logger = new SilentLogger()
  const open = (): OpenedCommands => {
    const commands = openCommands({ store, clock, random, logger, metrics: nullMetrics, limits, mappings })
    commands.begin(devices)
    return commands
  }
  const rig: CommandRig = {
    ...{ store, clock, devices, logger },
    commands: open(),
    async say(topic, said, into = store) {
      const payload = typeof said === "string" ? said : JSON.stringify(said)
      const message = {
        ...({ topic, payload: Buffer.from(payload), qos: 1, retain: false, expiresAt: undefined } as const),
        properties: new Uint8Array(0),
      }
      const taken = rig.commands.replies.on(topic)?.(message)
      if (taken === undefined) return false
      const records: readonly KeyedRecord[] = taken.records
      return await into.put(records).durable.then(
        () => {
          taken.end(undefined)
          return true
        },
        (error) => {
          taken.end(error)
          return false
        },
      )
    },
    restart() {
      // What dies does nothing more, which a closed room keeps to as well.
      void rig.commands.close()
      rig.commands = open()
    },
    [Symbol.asyncDispose]: () => rig.commands.close(),
  }
  return rig
}
