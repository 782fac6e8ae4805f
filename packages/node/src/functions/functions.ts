/**
 * Functions: code of users, called with events and requests, outside of the node's process.
 *
 * - F1 A version takes calls after it has loaded its code and is durable; one that cannot be loaded changes nothing.
 * - F2 Events of acknowledged messages (D1 in triggers/topics.ts) and of readings are in the log, in the commit of their
 *   cause, until the function has taken them, or they are dead letters: at least once, each time with the same key.
 *   Schedules and messages of QoS 0 wait in memory alone.
 * - F3 What a call does to the world has a key that follows from the call's (services/done-once.ts): commands and, where a
 *   call is repeated, messages happen once.
 * - F4 The log has secrets as ciphertext alone (secrets.ts).
 * - F5 Everything is bounded: functions, versions, events that wait, state, lines of logs.
 *
 * The parts: spec.ts and bundle.ts (what is deployed), table.ts (what is in force), deployer.ts (how that changes),
 * deployed-function.ts (one of them as it runs), function-events.ts with triggers/ and deliveries/ (what reaches it), and
 * services/ (what it may ask). How processes are run is the matter of runtimes/.
 *
 * It is not a workflow engine: what has to go on for hours belongs into rules, state and schedules.
 */
import {
  type Clock,
  type Closeable,
  type Disk,
  type FetchRequest,
  type FetchResponse,
  FogError,
  type FunctionCall,
  type FunctionInfo,
  type Functions,
  type FunctionVersionInfo,
  type HttpTrigger,
  type Logger,
  type Metrics,
  type Random,
  type Store,
} from "@brume/core"
import { Bundles, type Files } from "./bundle.ts"
import type { Delivery } from "./deliveries/delivery.ts"
import { DeliveryRecords } from "./deliveries/delivery-records.ts"
import { DeployedFunction, type FunctionCallTerms } from "./deployed-function.ts"
import { type Deployed, Deployer, type Deployment, existing, invalid } from "./deployer.ts"
import { FunctionEvents } from "./function-events.ts"
import { InvokeKeys } from "./invoke-keys.ts"
import type { FunctionLog } from "./logs.ts"
import { createFunctionMeasures, type FunctionMeasures } from "./measures.ts"
import type { Pool } from "./runtimes/pool.ts"
import type { RunningCall } from "./runtimes/runtime.ts"
import type { Runtimes } from "./runtimes/runtimes.ts"
import { Secrets } from "./secrets.ts"
import { type AskOptions, answerAsk } from "./services/asks.ts"
import { DoneOnce } from "./services/done-once.ts"
import type { FunctionPorts } from "./services/ports.ts"
import { FunctionStates } from "./services/state.ts"
import { type CheckedDocument, checkDocument, isMistakes } from "./spec.ts"
import { FunctionTable, type StoredFunction, versionOf } from "./table.ts"
import type { Timetables } from "./timetables.ts"
import { ReadingTriggers } from "./triggers/readings.ts"
import { type TopicSubscriber, TopicTriggers } from "./triggers/topics.ts"

export interface FunctionsOptions {
  readonly store: Pick<Store, "node" | "epoch" | "put" | "get" | "entries">
  readonly disk: Pick<Disk, "read" | "replace" | "makeFolder" | "list" | "remove">
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  readonly runtimes: Pick<Runtimes, "inspect" | "check" | "openPool">
  readonly timetables: Timetables
}

export interface OpenedFunctions extends Functions, Closeable {
  /** Where messages come in. */
  readonly topics: TopicSubscriber
  /** What readings cause, for their own commit. */
  readonly readings: Pick<ReadingTriggers, "evaluate">
  readonly secrets: Secrets
  /** From here on events are taken, and functions may ask. */
  begin(ports: FunctionPorts): void
  deploy(name: string, deployment: Deployment): Promise<Deployed>
  rollback(name: string, to: number | undefined): Promise<Deployed>
  /** With its versions, its state and what waits for it. Throws `function_not_found`. */
  delete(name: string): Promise<void>
  /** The code in force with another spec. Throws `document_invalid` and as {@link deploy} does. */
  respecify(document: unknown): Promise<Deployed>
  /** What the version in force says; undefined where there is no such function. */
  documentOf(name: string): CheckedDocument | undefined
  /** Called when another version is in force, or none any more. Must not throw. */
  onChange(listener: (name: string) => void): void
  /** By name. */
  list(): readonly FunctionInfo[]
  /** Throws `function_not_found`, as do the next ones. */
  describe(name: string): FunctionInfo
  log(name: string): FunctionLog
  /** Who may call its `fetch`; undefined where it has none. */
  httpAccess(name: string): HttpTrigger["http"] | undefined
  fetch(name: string, request: FetchRequest): Promise<FetchResponse>
}

/** How long calls may go on when a version is replaced, or the node closes. ms. */
const replaceGraceMs = 30_000
const closeGraceMs = 300

export async function openFunctions(options: FunctionsOptions): Promise<OpenedFunctions> {
  const secrets = await Secrets.open(options)
  const room = new FunctionRoom(options, secrets)
  await room.load()
  return room
}

interface Entry {
  readonly fn: DeployedFunction
  readonly events: FunctionEvents
}

class FunctionRoom implements OpenedFunctions {
  readonly topics = new TopicTriggers()
  readonly readings: ReadingTriggers
  readonly secrets: Secrets
  readonly #options: FunctionsOptions
  readonly #table: FunctionTable
  readonly #bundles: Bundles
  readonly #deployer: Deployer
  readonly #records: DeliveryRecords
  readonly #states: FunctionStates
  readonly #measures: FunctionMeasures
  readonly #entries = new Map<string, Entry>()
  /** Calls that run, by function and key: what they have done. */
  readonly #running = new Map<string, DoneOnce>()
  readonly #invocations: InvokeKeys
  readonly #listeners: ((name: string) => void)[] = []
  #ports: FunctionPorts | undefined
  #closing: Promise<void> | undefined

  constructor(options: FunctionsOptions, secrets: Secrets) {
    const { store, disk, logger, metrics, clock } = options
    this.#options = options
    this.secrets = secrets
    this.#table = new FunctionTable(store, logger)
    this.#bundles = new Bundles(disk)
    this.#records = new DeliveryRecords(store, options)
    this.readings = new ReadingTriggers(store)
    this.#states = new FunctionStates(store)
    this.#invocations = new InvokeKeys(clock)
    this.#measures = createFunctionMeasures(metrics, () =>
      [...this.#entries.values()].reduce((sum, { events }) => sum + events.counts.waiting, 0),
    )
    this.#deployer = new Deployer({
      ...options,
      table: this.#table,
      bundles: this.#bundles,
      openPool: (name, version, files) => this.#openPool(name, version, files),
      use: (stored, pool) => this.#use(stored, pool),
      revive: (name) => this.#revive(name),
    })
  }

  /** Every function that is deployed begins to load; what a former life of the node left waits for it. */
  async load(): Promise<void> {
    await this.#bundles.clean(this.#table.bundles())
    const left = this.#records.recover((name) => this.#table.get(name) !== undefined)
    for (const stored of this.#table.list()) {
      const { events } = this.#enter(stored)
      events.follow(versionOf(stored, stored.current)!.spec)
      events.recover(left.get(stored.name) ?? [])
      void this.#deployer.turn(stored.name, () => this.#start(stored.name))
    }
  }

  begin(ports: FunctionPorts): void {
    this.#ports = ports
    for (const { events } of this.#entries.values()) events.begin()
  }

  async invoke({ name, event, trigger, deadlineMs, key }: FunctionCall): Promise<unknown> {
    const { fn } = this.#entryOf(name)
    if (key === undefined) return await this.#call(fn, event, { trigger, deadlineMs, key: this.#newKey() })
    return await this.#invocations.once([name, key], event, () => this.#call(fn, event, { trigger, deadlineMs, key }))
  }

  async deploy(name: string, deployment: Deployment): Promise<Deployed> {
    return await this.#deployer.deploy(name, deployment)
  }

  async rollback(name: string, to: number | undefined): Promise<Deployed> {
    return await this.#deployer.rollback(name, to)
  }

  async respecify(document: unknown): Promise<Deployed> {
    const checked = checkDocument(document, this.#options.timetables)
    if (isMistakes(checked)) throw invalid("of the document", checked)
    return await this.#deployer.respecify(checked)
  }

  documentOf(name: string): CheckedDocument | undefined {
    const stored = this.#table.get(name)
    if (stored === undefined) return undefined
    const { spec } = versionOf(stored, stored.current)!
    return { name, spec, ...(stored.labels === undefined ? {} : { labels: stored.labels }) }
  }

  onChange(listener: (name: string) => void): void {
    this.#listeners.push(listener)
  }

  async delete(name: string): Promise<void> {
    await this.#deployer.turn(name, async () => {
      existing(this.#table, name)
      const entry = this.#entries.get(name)
      entry?.events.close()
      await this.#table.delete(name, [...this.#states.removal(name), ...this.#records.removalOf(name)])
      this.#entries.delete(name)
      this.#changed(name)
      await entry?.fn.close(closeGraceMs)
      await this.#bundles.clean(this.#table.bundles())
    })
  }

  list(): readonly FunctionInfo[] {
    return this.#table.list().flatMap(({ name }) => {
      const entry = this.#entries.get(name)
      return entry === undefined ? [] : [entry.fn.info(entry.events.counts)]
    })
  }

  describe(name: string): FunctionInfo {
    const { fn, events } = this.#entryOf(name)
    return fn.info(events.counts)
  }

  log(name: string): FunctionLog {
    return this.#entryOf(name).fn.log
  }

  httpAccess(name: string): HttpTrigger["http"] | undefined {
    const triggers = this.#entries.get(name)?.fn.version.spec.triggers
    return triggers?.find((trigger): trigger is HttpTrigger => "http" in trigger)?.http
  }

  async fetch(name: string, request: FetchRequest): Promise<FetchResponse> {
    const { fn } = this.#entryOf(name)
    const key = this.#newKey()
    return await this.#noting(name, key, undefined, () => fn.fetch(request, key))
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const entries = [...this.#entries.values()]
      for (const { events } of entries) events.close()
      await Promise.all(entries.map(({ fn }) => fn.close(closeGraceMs)))
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #entryOf(name: string): Entry {
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    existing(this.#table, name)
    throw new FogError("functions_busy", { message: `${name} is being loaded`, hint: "Try again in a moment." })
  }

  #enter(stored: StoredFunction): Entry {
    const { name } = stored
    const fn = new DeployedFunction({
      stored,
      clock: this.#options.clock,
      onCall: (outcome, seconds) => this.#measures.called(name, outcome, seconds),
      onReady: () => this.#entries.get(name)?.events.resume(),
    })
    const events = new FunctionEvents({
      ...this.#options,
      owner: fn,
      records: this.#records,
      topics: this.topics,
      readings: this.readings,
      ports: () => this.#ports,
      call: (deliveries, event) => this.#deliver(fn, deliveries, event),
      onDeadLetters: (count) => this.#measures.deadLetters(name, count),
      onDropped: (count) => this.#measures.dropped(name, count),
    })
    const entry = { fn, events }
    this.#entries.set(name, entry)
    return entry
  }

  /** F1, at the start of the node: what cannot be loaded now is told, and can be replaced. */
  async #start(name: string): Promise<void> {
    const stored = this.#table.get(name)
    const entry = this.#entries.get(name)
    if (stored === undefined || entry === undefined || this.#closing !== undefined) return
    const version = versionOf(stored, stored.current)!
    try {
      await this.#deployer.checkMachine(version.spec, stored)
      const files = await this.#bundles.read(version.bundle)
      entry.fn.use(stored, this.#openPool(name, version, files))
    } catch (error) {
      entry.fn.fail(error as FogError)
      this.#options.logger.error("A function cannot be started", { function: name, error })
    }
  }

  async #revive(name: string): Promise<void> {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    if (entry.fn.hasPool) entry.fn.pool.resume()
    else await this.#start(name)
    entry.events.renew()
  }

  #use(stored: StoredFunction, pool: Pool): void {
    const isNew = !this.#entries.has(stored.name)
    const { fn, events } = this.#entries.get(stored.name) ?? this.#enter(stored)
    const before = fn.use(stored, pool)
    const { version, spec } = fn.version
    fn.log.add({ level: "info", message: `Version ${version} is in force`, version })
    events.follow(spec)
    if (isNew && this.#ports !== undefined) events.begin()
    events.renew()
    this.#changed(stored.name)
    before?.drain(replaceGraceMs).catch((error: unknown) => {
      this.#options.logger.warn("A former version did not end well", { function: stored.name, error })
    })
  }

  #openPool(name: string, version: FunctionVersionInfo, files: Files): Pool {
    const { runtime, entry, limits, network } = version.spec
    return this.#options.runtimes.openPool({
      ...{ name, version: version.version, limits, network, code: { runtime, entry, files } },
      ask: (operation, args, call) => this.#ask(name, version, [operation, args, call]),
      onLine: (line) => this.#entries.get(name)?.fn.said(version.version, line),
      onState: (status) => this.#entries.get(name)?.fn.stateChanged(status),
    })
  }

  async #deliver(fn: DeployedFunction, deliveries: readonly Delivery[], event: unknown): Promise<void> {
    const { key, trigger, record } = deliveries[0]!
    // E4 in deliveries.ts: events wait for a function that cannot be started here and now.
    if (!fn.hasPool) throw new FogError("functions_busy", { message: `${fn.name} cannot be called yet` })
    await this.#noting(fn.name, key, record, () => fn.call(event, { trigger, key }))
  }

  async #call(fn: DeployedFunction, event: unknown, terms: FunctionCallTerms): Promise<unknown> {
    return await this.#noting(fn.name, terms.key, undefined, () => fn.call(event, terms))
  }

  /** F3: knows what the call has done while it runs. */
  async #noting<T>(name: string, key: string, record: string | undefined, call: () => Promise<T>): Promise<T> {
    const place = `${name} ${key}`
    this.#running.set(place, new DoneOnce(key, record, this.#records))
    try {
      return await call()
    } finally {
      this.#running.delete(place)
    }
  }

  async #ask(
    name: string,
    { spec }: FunctionVersionInfo,
    [operation, args, call]: readonly [string, readonly unknown[], RunningCall | undefined],
  ): Promise<unknown> {
    const ports = this.#ports
    if (ports === undefined)
      throw new FogError("functions_busy", { message: "The node is starting", hint: "Ask within a call." })
    const key = call?.context.key ?? this.#newKey()
    const once = this.#running.get(`${name} ${key}`) ?? new DoneOnce(key, undefined, this.#records)
    const options: AskOptions = {
      ...{ ports, states: this.#states, secrets: this.secrets, clock: this.#options.clock },
      invoke: (other, event, { deadlineMs, ...terms }) =>
        this.#call(this.#entryOf(other).fn, event, {
          ...{ ...terms, trigger: "function" },
          ...(Number.isFinite(deadlineMs) ? { deadlineMs } : {}),
        }),
    }
    return await answerAsk({ name, spec, operation, args, call, once }, options)
  }

  #changed(name: string): void {
    for (const listener of this.#listeners) listener(name)
  }

  #newKey(): string {
    return Buffer.from(this.#options.random.bytes(16)).toString("hex")
  }
}
