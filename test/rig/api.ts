/**
 * The API room with everything behind it: tokens, ingest, devices and live streams are the real rooms over a store in
 * memory; SQL is answered by a script. `inject` needs no socket, `listen` opens a real one.
 */
import type {
  Clock,
  DocumentKind,
  FogError,
  Metrics,
  Query,
  QueryAnswer,
  QueryRequest,
  RunningQuery,
  TokenRequest,
} from "@brume/core"
import { MemoryDisk, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { type OpenedAlarms, openAlarms } from "../../packages/node/src/alarms/alarms.ts"
import { type Api, openApi } from "../../packages/node/src/api/api.ts"
import { type App, createApp } from "../../packages/node/src/api/app.ts"
import type { ApiOptions } from "../../packages/node/src/api/options.ts"
import type { KnownDevice } from "../../packages/node/src/api/ports.ts"
import { openAccess } from "../../packages/node/src/auth/access.ts"
import { openTokens } from "../../packages/node/src/auth/auth.ts"
import { openCommands } from "../../packages/node/src/devices/commands/commands.ts"
import { createIngest } from "../../packages/node/src/devices/ingest.ts"
import { createLive } from "../../packages/node/src/devices/live.ts"
import { joinSubscribers } from "../../packages/node/src/devices/local-subscribers.ts"
import type { Mqtt } from "../../packages/node/src/devices/mqtt/mqtt.ts"
import { openTwins } from "../../packages/node/src/devices/twins/twins.ts"
import { documentKinds } from "../../packages/node/src/document-kinds.ts"
import { openDocuments } from "../../packages/node/src/documents/documents.ts"
import { type OpenedEffects, openEffects } from "../../packages/node/src/effects/effects.ts"
import { openFunctions } from "../../packages/node/src/functions/functions.ts"
import { createMetrics } from "../../packages/node/src/metrics/metrics.ts"
import { createRuleTrials } from "../../packages/node/src/rules/trial/trial.ts"
import { type FakeCode, fakeRuntimes } from "./fake-runtimes.ts"
import { MemoryStore } from "./memory-store.ts"
import { openRigFront } from "./mqtt-front.ts"

/** A statement's answer as a test wants it. */
export type AnswerScript = (request: QueryRequest) => Promise<QueryAnswer> | QueryAnswer

export interface ApiRig {
  readonly store: MemoryStore
  readonly clock: VirtualClock
  readonly logger: SilentLogger
  readonly metrics: Metrics & { expose(): Promise<string> }
  readonly mqtt: Mqtt
  /** Carries nothing out until a test says by whom. */
  readonly effects: OpenedEffects
  readonly alarms: OpenedAlarms
  readonly admin: string
  readonly options: ApiOptions
  /** What statements answer; one row by default. */
  answers: AnswerScript
  running: RunningQuery[]
  readonly cancelled: string[]
  /** Of functions, by the text of their bundle. */
  readonly code: Map<string, FakeCode>
  token(request: Partial<TokenRequest>): Promise<string>
  /** Routes without a socket. */
  app(options?: Partial<ApiOptions>): Promise<App>
  /** Routes on a free port of loopback, by the machine's clock. */
  listen(options?: Partial<ApiOptions>): Promise<Api>
}

export interface ApiRigOptions {
  /** @default those of the node */
  readonly kinds?: readonly DocumentKind[]
}

export async function apiRig({ kinds = documentKinds }: ApiRigOptions = {}): Promise<ApiRig> {
  const clock = new VirtualClock()
  const logger = new SilentLogger()
  const random = new SeededRandom(1)
  const store = new MemoryStore()
  const metrics = createMetrics()
  const tokens = await openTokens({
    documents: store,
    disk: { absolute: (path) => `/rig/${path}`, replace: async () => {} },
    clock,
    random,
    logger,
    maxTokens: 100,
  })
  const commands = openCommands({ store, clock: machineClock, random, logger, metrics })
  const twins = openTwins({ store, clock: machineClock, logger })
  const alarms = openAlarms({ store, clock, logger, metrics })
  const effects = await openEffects({ store, clock, random, logger, metrics })
  const local = joinSubscribers([commands.replies, twins.reports])
  const mqtt = await openRigFront({ store, clock: machineClock, random, logger, metrics, local })
  commands.begin(mqtt.own)
  twins.begin(mqtt.own)
  const runtimes = fakeRuntimes()
  const functions = await openFunctions({
    ...{ store, disk: new MemoryDisk(), clock: machineClock, random, logger, metrics, runtimes },
    timetables: { parse: () => "cannot be read" },
  })
  const { credentials, bans } = openAccess({
    documents: store,
    tokens,
    clock,
    random,
    logger,
    metrics,
    maxCredentials: 100,
    maxBans: 100,
    allowAnonymous: false,
    cost: { n: 2, r: 1, p: 1 },
  })
  const rig = { answers: oneRow, running: [] as RunningQuery[], cancelled: [] as string[] }
  const query: Pick<Query, "answer" | "running" | "cancel"> = {
    answer: async (request) => rig.answers(request),
    running: () => rig.running,
    cancel(id) {
      rig.cancelled.push(id)
      return rig.running.some((statement) => statement.id === id)
    },
  }
  const options: ApiOptions = {
    listen: { host: "127.0.0.1", port: 0 },
    version: "0.0.0-rig",
    tokens,
    credentials,
    bans,
    query,
    store,
    ingest: createIngest({ store, clock, logger, metrics }),
    devices: devicesOf(store),
    mqtt,
    documents: openDocuments({ store, clock, logger, kinds }),
    ruleTrials: createRuleTrials({ node: store.node, query: { rows: async () => [] }, clock: machineClock }),
    commands,
    twins,
    functions,
    effects,
    alarms,
    live: createLive({ store, metrics }),
    metrics,
    expose: () => metrics.expose(),
    clock,
    logger,
    random,
  }
  return Object.assign(rig, {
    code: runtimes.code,
    store,
    clock,
    logger,
    metrics,
    mqtt,
    effects,
    alarms,
    admin: tokens.madeAdmin!.secret.reveal(),
    options,
    async token(request: Partial<TokenRequest>) {
      const { secret } = await tokens.create({ name: "test", scopes: ["read"], ...request })
      return secret
    },
    app: (changes: Partial<ApiOptions> = {}) => createApp({ ...options, metrics: createMetrics(), ...changes }),
    listen: (changes: Partial<ApiOptions> = {}) =>
      openApi({ ...options, metrics: createMetrics(), clock: machineClock, ...changes }),
  })
}

const oneRow: AnswerScript = () => ({
  id: "q-1",
  contentType: "application/json; charset=utf-8",
  body: pieces('{"id":"q-1","columns":[{"name":"a","type":"INTEGER"}],"rows":[{"a":1}],"rowCount":1}'),
})

/** A body in pieces, and then perhaps its failure. */
export async function* pieces(...given: (string | FogError)[]): AsyncGenerator<Uint8Array> {
  for (const piece of given) {
    if (typeof piece !== "string") throw piece
    yield Buffer.from(piece)
  }
}

/** Devices by the readings in memory; the real room asks SQL. */
function devicesOf(store: MemoryStore): ApiOptions["devices"] {
  const known = (): KnownDevice[] =>
    [...new Set(store.readings.map(({ device }) => device))].sort().map((device) => {
      const own = store.readings.filter((reading) => reading.device === device)
      const latest = [...new Map(own.map((reading) => [`${reading.property} ${reading.tags}`, reading])).values()]
      return { device, received: own.at(-1)!.received, series: latest.length, latest }
    })
  return {
    async list({ limit, after = "" }) {
      const rest = known().filter(({ device }) => device > after)
      const devices = rest.slice(0, limit)
      return { devices, next: rest.length > limit ? devices.at(-1)!.device : undefined }
    },
    async get(device) {
      const found = known().find((other) => other.device === device)
      if (found !== undefined) return found
      const { FogError } = await import("@brume/core")
      throw new FogError("device_not_found", { message: `No reading of ${device}` })
    },
  }
}

/** For tests over sockets: the rooms of the rig keep their virtual clock. */
export const machineClock: Clock = {
  now: () => Date.now() * 1_000,
  monotonic: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
