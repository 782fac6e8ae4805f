/** Readings from requests into the store: parsed, allowed, once per Idempotency-Key, durable when a promise resolves. */
import { createHash } from "node:crypto"
import {
  type Clock,
  type FogError,
  isFogError,
  type Logger,
  type Metrics,
  type Principal,
  type ReadingBatch,
  SeriesCache,
  type Store,
} from "@brume/core"
import { DeviceScopes } from "./device-scope.ts"
import {
  conflict,
  defaultIdempotencyLimits,
  Idempotency,
  type IdempotencyLimits,
  idempotencyKeyOf,
  type Outcome,
} from "./idempotency.ts"
import { parseJson } from "./payload/json.ts"
import { defaultPayloadLimits, type PayloadLimits } from "./payload/limits.ts"
import { defaultDeviceTags, LineParser } from "./payload/line-protocol.ts"
import type { LinePrecision } from "./payload/line-timestamp.ts"
import { parseNdjson } from "./payload/ndjson.ts"
import { parseSenml } from "./payload/senml.ts"

export interface IngestOptions {
  /** Its `append` gives the first reading of a batch the sequence that `stats().nextSeq` named before. */
  readonly store: Pick<Store, "epoch" | "append" | "get" | "entries" | "stats">
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly limits?: PayloadLimits
  readonly idempotency?: IdempotencyLimits
  /** Tags of the line protocol that name the device, the first that a line has wins. @default device, device_id, host */
  readonly deviceTags?: readonly string[]
}

export interface Sender {
  /** Undefined for the node itself. */
  readonly principal?: Principal | undefined
  /** A client's name for its request: the same key again stores nothing twice. */
  readonly idempotencyKey?: string | undefined
}

export interface StoredReadings extends Outcome {
  /** The answer is the one to an earlier request with the same key; nothing was stored now. */
  readonly replayed?: true
}

export interface StoredLines extends StoredReadings {
  /** Why some lines were refused; the others are stored. */
  readonly error: FogError | undefined
  readonly refused: number
}

export type ReadingsFormat = "json" | "ndjson" | "senml"

/**
 * All promises resolve when the readings are durable. They reject with what the parsers throw, with `forbidden`,
 * `idempotency_conflict`, `request_invalid` (a malformed key), and with what the store throws.
 */
export interface Ingest {
  readings(bytes: Uint8Array, format: ReadingsFormat, sender: Sender): Promise<StoredReadings>
  /** Line protocol: stores the good lines. With no good line nothing is stored and `seq` is 0. */
  lines(bytes: Uint8Array, precision: LinePrecision, sender: Sender): Promise<StoredLines>
  /** Readings that came another way. The hash stands for the payload where the sender has a key. */
  store(batch: ReadingBatch, sender: Sender, payloadHash?: string): Promise<StoredReadings>
}

const parsers = { json: parseJson, ndjson: parseNdjson, senml: parseSenml }

export function createIngest(options: IngestOptions): Ingest {
  const { clock, metrics, limits = defaultPayloadLimits, deviceTags = defaultDeviceTags } = options
  const series = new SeriesCache()
  const lineParser = new LineParser({ series, limits, deviceTags })
  const intake = new Intake(options)
  const accepted = metrics.counter("brume_devices_readings_total", "Readings that were stored, by format", ["format"])
  const refusedLines = metrics.counter(
    "brume_devices_refused_lines_total",
    "Lines of the line protocol that were refused",
  )
  const count = (stored: StoredReadings, format: string): void => {
    if (stored.replayed !== true) accepted.add(stored.accepted, { format })
  }
  return {
    async readings(bytes, format, sender) {
      const batch = parsers[format](bytes, { receivedUs: clock.now(), series, limits })
      const stored = await intake.store(batch, sender, () => hashOf(format, bytes))
      count(stored, format)
      return stored
    },
    async lines(bytes, precision, sender) {
      const { batch, refused, error } = lineParser.parse(bytes, { receivedUs: clock.now(), precision })
      refusedLines.add(refused)
      const stored = await intake.store(batch, sender, () => hashOf(`line ${precision}`, bytes))
      count(stored, "line")
      return { ...stored, refused, error }
    },
    async store(batch, sender, payloadHash = "") {
      const stored = await intake.store(batch, sender, () => payloadHash)
      count(stored, "batch")
      return stored
    },
  }
}

/** The same bytes mean other readings in another format. */
function hashOf(format: string, bytes: Uint8Array): string {
  return createHash("sha256").update(`${format}\n`).update(bytes).digest("base64url")
}

/** A request with a key whose readings are on their way to the disk. */
interface Flight {
  readonly hash: string
  readonly outcome: Promise<Outcome>
}

/** How long a request waits for a busy store, and how often it tries. Its body stays within the budget of all bodies. ms. */
const longestWaitMs = 5_000
const retryMs = 10

class Intake {
  readonly #store: IngestOptions["store"]
  readonly #clock: Clock
  readonly #scopes = new DeviceScopes()
  readonly #idempotency: Idempotency
  /** By record key. As many as requests are under way, which the API limits. */
  readonly #flights = new Map<string, Flight>()

  constructor({ store, clock, logger, metrics, idempotency: limits = defaultIdempotencyLimits }: IngestOptions) {
    this.#store = store
    this.#clock = clock
    this.#idempotency = new Idempotency({ store, clock, logger, limits })
    const remembered = (): number => this.#idempotency.size
    metrics.gauge("brume_devices_idempotency_keys", "Idempotency keys that are remembered", remembered)
  }

  async store(batch: ReadingBatch, sender: Sender, hashPayload: () => string): Promise<StoredReadings> {
    const { principal, idempotencyKey } = sender
    if (principal !== undefined) this.#scopes.check(principal, batch)
    const { epoch } = this.#store
    if (batch.length === 0) return { accepted: 0, seq: 0, epoch }
    if (idempotencyKey !== undefined) {
      const key = idempotencyKeyOf(principal?.tokenId ?? "", idempotencyKey)
      return this.#storeOnce(batch, key, hashPayload())
    }
    const { seq, durable } = await this.#taken(() => this.#store.append(batch))
    await durable
    return { accepted: batch.length, seq, epoch }
  }

  /** A busy store is waited for: a sender that is faster than the disk is slowed down, and refused only when it lasts. */
  async #taken<T>(append: () => T): Promise<T> {
    const until = this.#clock.monotonic() + longestWaitMs
    for (;;) {
      try {
        return append()
      } catch (error) {
        if (!isFogError(error, "store_busy") || this.#clock.monotonic() >= until) throw error
        await new Promise<void>((resolve) => this.#clock.after(retryMs, resolve))
      }
    }
  }

  async #storeOnce(batch: ReadingBatch, key: string, hash: string): Promise<StoredReadings> {
    for (;;) {
      const flight = this.#flights.get(key)
      if (flight === undefined) break
      if (flight.hash !== hash) throw conflict(key)
      const outcome = await flight.outcome.catch(() => undefined)
      if (outcome !== undefined) return { ...outcome, replayed: true }
      // The first has failed and this one may take its place; each turn of the loop ends one request.
    }
    const known = this.#idempotency.find(key, hash)
    if (known !== undefined) return { ...known, replayed: true }
    const outcome = this.#append(batch, key, hash)
    const flight = { hash, outcome }
    this.#flights.set(key, flight)
    try {
      return await outcome
    } finally {
      this.#flights.delete(key)
    }
  }

  async #append(batch: ReadingBatch, key: string, hash: string): Promise<Outcome> {
    const { outcome, seq, durable } = await this.#taken(() => {
      const outcome = { accepted: batch.length, seq: this.#store.stats().nextSeq, epoch: this.#store.epoch }
      const entry = this.#idempotency.entryFor(key, hash, outcome)
      const appended = this.#store.append(batch, entry.records)
      this.#idempotency.appended(entry)
      return { outcome, ...appended }
    })
    try {
      await durable
    } catch (error) {
      this.#idempotency.forget(key)
      throw error
    }
    // Had the store not kept its word, this answer would be right and only a repetition's wrong.
    return { ...outcome, seq }
  }
}
