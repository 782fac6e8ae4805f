/**
 * Twins: what each device should be (`desired`, from people, rules and functions) and what it says it is (`reported`).
 *
 * - W1 Both halves are records of kind `state`; a change is shown, and told to the device, when it is durable.
 * - W2 What is desired is a retained message on `devices/<device>/desired`, in one commit with its record: a device that
 *   returns gets the newest as soon as it subscribes.
 * - W3 What a device publishes on `devices/<device>/reported` is merged in the commit that its acknowledgement waits for.
 * - W4 Versions grow by one with each change; what changes nothing makes none.
 * - W5 Twins are bounded in number, size and depth.
 */
import {
  type Clock,
  FogError,
  type JsonObject,
  type Logger,
  type Store,
  type Twin,
  type TwinChange,
  type TwinState,
  type Twins,
} from "@brume/core"
import { deviceProblem } from "../commands/terms.ts"
import type { Message } from "../mqtt/message.ts"
import type { LocalSubscriber, OwnMessages, TakenMessage } from "../mqtt/own-messages.ts"
import { excerpt } from "../payload/mistakes.ts"
import { Half, nothing } from "./half.ts"
import { depthOf, difference, isSame, maxDepth, merge } from "./merge.ts"
import {
  decodeState,
  desiredPayload,
  desiredTopic,
  type HalfName,
  parseReported,
  parseTwinKey,
  reporterOf,
  twinRecord,
} from "./twin-record.ts"

export interface TwinsOptions {
  readonly store: Pick<Store, "put" | "entries">
  readonly clock: Clock
  readonly logger: Logger
  /** Most devices. @default 100000 */
  readonly maxTwins?: number
}

export interface OpenedTwins extends Twins {
  /** Where devices report. */
  readonly reports: LocalSubscriber
  /** From here on devices are told. */
  begin(own: OwnMessages): void
}

/** Largest half as JSON. */
const maxBytes = 32_768

type Entry = Readonly<Record<HalfName, Half>>

export function openTwins(options: TwinsOptions): OpenedTwins {
  return new TwinRoom(options)
}

class TwinRoom implements OpenedTwins {
  readonly reports: LocalSubscriber = {
    version: 0,
    on: (topic) => (reporterOf(topic) === undefined ? undefined : (message) => this.#take(message)),
  }
  readonly #options: TwinsOptions
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<(twin: Twin) => void>()
  #own: OwnMessages | undefined

  constructor(options: TwinsOptions) {
    this.#options = options
    for (const [key, value] of options.store.entries("state")) {
      const place = parseTwinKey(key)
      if (place === undefined) continue
      const state = decodeState(value)
      if (state === undefined) {
        options.logger.error("A twin's record is unreadable and is left out", { key })
        continue
      }
      this.#keep(place.device, this.#entryOf(place.device))[place.half].durable = state
    }
  }

  begin(own: OwnMessages): void {
    this.#own = own
  }

  get(device: string): Twin {
    const twin = this.#twinOf(device)
    if (twin.desired.version > 0 || twin.reported.version > 0) return twin
    throw new FogError("twin_not_found", {
      message: `Nothing is desired of ${excerpt(device, 120)}, and it has reported no state`,
      hint: "Set something with brume twin set; a device reports on devices/<device>/reported.",
    })
  }

  async set(device: string, { desired: patch, ifVersion }: TwinChange): Promise<Twin> {
    const why = deviceProblem(device) ?? patchProblem(patch) ?? this.#roomProblem(device)
    if (why !== undefined) throw invalid(device, why)
    const entry = this.#entryOf(device)
    const before = entry.desired.newest
    if (ifVersion !== undefined && ifVersion !== before.version) throw conflict(device, before.version)
    const state = this.#changed(before, patch)
    if (state === undefined) return await this.#unchanged(device, entry.desired)
    const tooLarge = sizeProblem(state)
    if (tooLarge !== undefined) throw invalid(device, tooLarge)
    await this.#change(device, this.#keep(device, entry).desired, state)
    return this.#twinOf(device)
  }

  onChange(listener: (twin: Twin) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** W1, W2 */
  async #change(device: string, half: Half, state: TwinState): Promise<void> {
    const message = this.#own?.plan({
      ...{ topic: desiredTopic(device), payload: desiredPayload(state), contentType: "application/json" },
      ...{ qos: 1, retain: true },
    })
    half.begin(state)
    try {
      await this.#options.store.put([twinRecord(device, "desired", state), ...(message?.records ?? [])]).durable
    } catch (error) {
      half.end(state, false)
      message?.end(error as FogError)
      throw error
    }
    this.#settle(device, half, state)
    message?.end(undefined)
  }

  /** The same was wanted before, and may still be on its way to the disk. */
  async #unchanged(device: string, half: Half): Promise<Twin> {
    if (!half.isSettled) await this.#options.store.put([twinRecord(device, "desired", half.newest)]).durable
    return this.#twinOf(device)
  }

  /** W3 */
  #take({ topic, payload }: Message): TakenMessage | undefined {
    const device = reporterOf(topic)
    // An empty one clears what is retained, and reports nothing.
    if (device === undefined || payload.length === 0) return undefined
    const patch = payload.length > maxBytes ? undefined : parseReported(payload)
    if (patch === undefined) return this.#ignore(device, `it is no JSON object of at most ${maxBytes} bytes`)
    const why = deviceProblem(device) ?? patchProblem(patch) ?? this.#roomProblem(device)
    if (why !== undefined) return this.#ignore(device, why)
    const entry = this.#entryOf(device)
    const state = this.#changed(entry.reported.newest, patch)
    if (state === undefined) return undefined
    const tooLarge = sizeProblem(state)
    if (tooLarge !== undefined) return this.#ignore(device, tooLarge)
    const half = this.#keep(device, entry).reported
    half.begin(state)
    return {
      records: [twinRecord(device, "reported", state)],
      end: (error) => {
        if (error === undefined) this.#settle(device, half, state)
        else half.end(state, false)
      },
    }
  }

  #ignore(device: string, why: string): undefined {
    this.#options.logger.warn("What a device reported is not taken into its twin", { device, why })
  }

  /** W4 */
  #changed(before: TwinState, patch: JsonObject): TwinState | undefined {
    const values = merge(before.values, patch)
    if (isSame(values, before.values)) return undefined
    return { version: before.version + 1, values, time: this.#options.clock.now() }
  }

  #settle(device: string, half: Half, state: TwinState): void {
    half.end(state, true)
    const twin = this.#twinOf(device)
    for (const listener of this.#listeners) listener(twin)
  }

  #twinOf(device: string): Twin {
    const entry = this.#entries.get(device)
    const desired = entry?.desired.durable ?? nothing
    const reported = entry?.reported.durable ?? nothing
    return { device, desired, reported, delta: difference(desired.values, reported.values) }
  }

  #entryOf(device: string): Entry {
    return this.#entries.get(device) ?? { desired: new Half(), reported: new Half() }
  }

  /** Only what has something is remembered. */
  #keep(device: string, entry: Entry): Entry {
    this.#entries.set(device, entry)
    return entry
  }

  #roomProblem(device: string): string | undefined {
    const { maxTwins = 100_000 } = this.#options
    return this.#entries.has(device) || this.#entries.size < maxTwins
      ? undefined
      : `${maxTwins} devices have twins, which is the limit`
  }
}

/** Why a patch cannot be merged: before it is walked through. */
function patchProblem(patch: JsonObject): string | undefined {
  if (depthOf(patch) > maxDepth) return `it is deeper than ${maxDepth} levels`
  const reserved = Object.keys(patch).find((name) => name.startsWith("$"))
  return reserved === undefined ? undefined : `its member ${excerpt(reserved, 40)} begins with $`
}

function sizeProblem({ values }: TwinState): string | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(values))
  return bytes > maxBytes ? `the whole would have ${bytes} bytes; ${maxBytes} is the limit` : undefined
}

function invalid(device: string, why: string): FogError {
  return new FogError("twin_invalid", {
    message: `The twin of ${excerpt(device, 120)} cannot be changed: ${why}`,
    hint: "docs/guide/commands.md says what a twin may be.",
  })
}

function conflict(device: string, version: number): FogError {
  return new FogError("twin_conflict", {
    message: `Version ${version} of what is desired of ${excerpt(device, 120)} is in force`,
    hint: "Read the twin again and decide anew.",
    details: { version },
  })
}
