/**
 * The node: opens every room in order and joins them. The only file that knows all of them.
 *
 * - N1 A half-started node does not exist: when a room cannot be opened, those before it are closed again.
 * - N2 Closing goes backwards: the API takes nothing more in and lets what runs finish, queries end, then the store
 *   syncs what it holds. It is idempotent.
 * - N3 One node owns a data folder; the store holds its lock while the node is open.
 */
import { fileURLToPath } from "node:url"
import { type Closeable, joinPlanned, type Logger, type Query, SeriesCache } from "@brume/core"
import { type OpenedAlarms, openAlarms } from "./alarms/alarms.ts"
import { type Ambient, systemAmbient } from "./ambient/ambient.ts"
import { type Api, openApi } from "./api/api.ts"
import { type Access, openAccess } from "./auth/access.ts"
import { type MadeAdmin, type OpenedTokens, openTokens } from "./auth/auth.ts"
import { isLoopback, parseAddress } from "./config/address.ts"
import type { Config } from "./config/schema.ts"
import { type OpenedCommands, openCommands } from "./devices/commands/commands.ts"
import type { CommandMapping } from "./devices/commands/targets.ts"
import { createDevices } from "./devices/devices.ts"
import { createIngest, type IngestOptions } from "./devices/ingest.ts"
import { createLive } from "./devices/live.ts"
import { joinSubscribers } from "./devices/local-subscribers.ts"
import type { Mqtt } from "./devices/mqtt/mqtt.ts"
import { defaultPayloadLimits, type PayloadLimits } from "./devices/payload/limits.ts"
import { type OpenedTwins, openTwins } from "./devices/twins/twins.ts"
import { openDisk } from "./disk/disk.ts"
import { documentKindsOf } from "./document-kinds.ts"
import { type OpenedDocuments, openDocuments } from "./documents/documents.ts"
import type { OpenedEffects } from "./effects/effects.ts"
import { openFunctionRooms } from "./function-room.ts"
import type { OpenedFunctions } from "./functions/functions.ts"
import { createMetrics, type Registry } from "./metrics/metrics.ts"
import { openProcessMetrics } from "./metrics/process-metrics.ts"
import { openMqttFront } from "./mqtt-front.ts"
import { executorsOf, openNodeEffects } from "./node-effects.ts"
import { createNodeLogger } from "./node-logger.ts"
import { openQuery } from "./query/query.ts"
import { type RuleStatus, shownStatus } from "./rules/rule-status.ts"
import { RuledStore } from "./rules/ruled-store.ts"
import { openRules, type Rules } from "./rules/rules.ts"
import { createRuleTrials } from "./rules/trial/trial.ts"
import { type NodeStore, openStore } from "./store/store.ts"
import { version } from "./version.ts"

export interface Node extends Closeable {
  readonly name: string
  /** This life of the node's log. */
  readonly epoch: string
  /** E.g. `http://127.0.0.1:7777`. */
  readonly url: string
  /** Where it listens for MQTT: `mqtt://127.0.0.1:1883`; empty where it does not. */
  readonly mqttUrls: readonly string[]
  readonly address: { readonly host: string; readonly port: number }
  /** The admin token that this opening made, if it did. */
  readonly madeAdmin: MadeAdmin | undefined
  /** Takes no new work in; what runs goes on. `close` still has to follow. */
  stopIntake(): void
}

export interface NodeOptions {
  /** @default one that writes as `logger` in the configuration says */
  readonly logger?: Logger
  /** Makes a new admin token in place of the one that the node made before. */
  readonly resetAdminToken?: boolean
  /** Absolute path of the built console. @default the one that comes with Brume */
  readonly consoleFolder?: string
}

/** What every room gets. */
interface Common extends Pick<Ambient, "clock" | "random"> {
  readonly config: Config
  readonly metrics: Registry
  /** A logger that names its room. */
  logger(room: string): Logger
}

/** Remembers what was opened, and gives it back. */
type Keep = <Room extends Closeable>(room: Room) => Room

export async function openNode(
  config: Config,
  ambient: Ambient = systemAmbient(),
  options: NodeOptions = {},
): Promise<Node> {
  const logger = options.logger ?? createNodeLogger(config, ambient)
  const { clock, random } = ambient
  const common: Common = { config, clock, random, metrics: createMetrics(), logger: (room) => logger.child({ room }) }
  const opened: Closeable[] = []
  const keep: Keep = (room) => {
    opened.push(room)
    return room
  }
  warnOfRisks(config, ambient, logger)
  try {
    const { store, tokens, query, api, mqtt } = await openRooms(common, keep, options)
    const { node: name, epoch } = store
    const { url, address } = api
    const mqttUrls = mqtt.urls
    logger.info("The node is open", { node: name, epoch, url, mqtt: mqttUrls, version, folder: config.store.path })
    const stopIntake = (): void => {
      api.stopIntake()
      mqtt.stopIntake()
    }
    const close = once(async () => {
      stopIntake()
      // Callers of long statements hear why they end before the API lets go of their connections.
      const stopping = clock.after(statementGraceMs, () => void query.close().catch(() => {}))
      await closeBackwards(opened).finally(() => stopping.cancel())
    })
    const { madeAdmin } = tokens
    return { name, epoch, url, mqttUrls, address, madeAdmin, close, [Symbol.asyncDispose]: close, stopIntake }
  } catch (error) {
    await closeBackwards(opened).catch((failure: unknown) => {
      logger.warn("Closing what was open failed", { error: failure })
    })
    throw error
  }
}

/** How long statements may go on when the node closes. ms. */
const statementGraceMs = 300

interface Rooms {
  readonly store: NodeStore
  /** The store for what brings readings in: they meet the rules on their way. */
  readonly ruled: RuledStore
  readonly tokens: OpenedTokens
  readonly access: Access
  readonly query: Query
  readonly api: Api
  readonly mqtt: Mqtt
  readonly documents: OpenedDocuments
  readonly commands: OpenedCommands
  readonly twins: OpenedTwins
  readonly functions: OpenedFunctions
  readonly effects: OpenedEffects
  readonly alarms: OpenedAlarms
  readonly rules: Rules
}

/** In the order in which each needs those before it. */
async function openRooms(common: Common, keep: Keep, options: NodeOptions): Promise<Rooms> {
  const { config, metrics, logger } = common
  keep(openProcessMetrics(metrics))
  const { name } = config.node
  const disk = await openDisk(config.store.path, { node: name })
  const store = keep(await openStore({ ...config.store, ...common, disk, logger: logger("store"), node: name }))
  const functionRooms = await openFunctionRooms({ ...common, ...config.functions, store, disk })
  keep(functionRooms.runtimes)
  const functions = keep(functionRooms.functions)
  const kinds = documentKindsOf(functions)
  const documents = openDocuments({ ...common, store, logger: logger("documents"), kinds })
  const tokens = await openTokens({
    ...common,
    documents: store,
    disk,
    logger: logger("auth"),
    maxTokens: config.auth.maxTokens,
    resetAdminToken: options.resetAdminToken ?? false,
  })
  const { maxCredentials, maxBans } = config.auth
  const { allowAnonymous } = config.mqtt
  const access = keep(
    openAccess({
      ...common,
      documents: store,
      tokens,
      logger: logger("auth"),
      maxCredentials,
      maxBans,
      allowAnonymous,
    }),
  )
  const query = keep(
    openQuery({
      ...common,
      source: store,
      logger: logger("query"),
      limits: config.query,
      residentBytes: () => process.memoryUsage.rss(),
    }),
  )
  const commands = keep(
    openCommands({ ...common, store, logger: logger("devices"), mappings: commandMappingsOf(config) }),
  )
  const twins = openTwins({ ...common, store, logger: logger("devices") })
  const alarms = openAlarms({ ...common, store, logger: logger("alarms"), limits: config.alarms })
  const effects = keep(await openNodeEffects({ ...common, store, version, commands }))
  const rules = keep(openRules({ ...common, store, documents, effects, query, logger: logger("rules") }))
  const ruled = new RuledStore(store, {
    evaluate: (batch, firstSeq) =>
      joinPlanned([rules.evaluate(batch, firstSeq), functions.readings.evaluate(batch, firstSeq)]),
  })
  const mqtt = keep(
    await openMqttFront({
      ...common,
      store: ruled,
      disk,
      logger,
      version,
      access: access.mqtt,
      series: new SeriesCache(),
      payloadLimits: payloadLimitsOf(config),
      local: joinSubscribers([commands.replies, twins.reports, rules.messages, functions.topics]),
    }),
  )
  commands.begin(mqtt.own)
  twins.begin(mqtt.own)
  functionRooms.begin({ own: mqtt.own, query, commands, documents })
  effects.begin(executorsOf({ ...common, version, commands, alarms, own: mqtt.own, functions }))
  void rules.begin()
  const devices = { commands, twins, effects, alarms, functions }
  const front = { store, ruled, rules, documents, tokens, access, query, mqtt, ...devices }
  const consoleFolder = options.consoleFolder ?? ownConsole
  return { ...front, api: keep(await openFront(common, { ...front, consoleFolder })) }
}

/** Where the build puts the console's package, beside this one. */
const ownConsole = fileURLToPath(new URL("../../console/dist", import.meta.url))

/** The API, and the devices behind it. */
async function openFront(
  common: Common,
  {
    store,
    ruled,
    rules,
    documents,
    tokens,
    access,
    query,
    mqtt,
    commands,
    twins,
    functions,
    effects,
    alarms,
    consoleFolder,
  }: Omit<Rooms, "api"> & { readonly consoleFolder: string },
): Promise<Api> {
  const { config, metrics, clock, logger } = common
  const { api } = config
  const { maxBodyBytes, maxConnections, requestTimeoutMs, allowedHosts, allowedOrigins } = api
  return openApi({
    ...common,
    listen: parseAddress(api.listen),
    allowedHosts,
    allowedOrigins,
    consoleFolder,
    version,
    tokens,
    credentials: access.credentials,
    bans: access.bans,
    query,
    store,
    ingest: createIngest({ store: ruled, clock, metrics, logger: logger("devices"), ...ingestLimits(config) }),
    devices: createDevices({ query }),
    mqtt,
    documents,
    ruleTrials: createRuleTrials({ node: store.node, query, clock }),
    documentStatus: { Rule: (rule) => shownOf(rules.status(rule)) },
    commands,
    twins,
    functions,
    effects,
    alarms,
    live: createLive({ store, metrics, maxListeners: maxConnections, maxQueuedReadings: api.live.maxQueuedReadings }),
    expose: () => metrics.expose(),
    logger: logger("api"),
    limits: { maxBodyBytes, maxConnections, requestTimeoutMs },
  })
}

function shownOf(status: RuleStatus | undefined): Readonly<Record<string, unknown>> | undefined {
  return status === undefined ? undefined : shownStatus(status)
}

function commandMappingsOf({ devices }: Config): readonly CommandMapping[] {
  return devices.commands.map((mapping) => ({ ...mapping, qos: Number(mapping.qos) as 0 | 1 | 2 }))
}

function payloadLimitsOf({ devices, api }: Config): PayloadLimits {
  return {
    ...defaultPayloadLimits,
    sizeBytes: api.maxBodyBytes,
    readings: devices.maxReadingsPerRequest,
    textLength: devices.maxTextLength,
    jsonLength: devices.maxTextLength,
  }
}

function ingestLimits(config: Config): Pick<IngestOptions, "limits" | "idempotency" | "deviceTags"> {
  const { devices } = config
  return {
    limits: payloadLimitsOf(config),
    idempotency: { windowMs: devices.idempotencyWindowMs, maxKeys: devices.maxIdempotencyKeys },
    deviceTags: devices.lineProtocol.deviceTags,
  }
}

/** What is allowed, but seldom meant. */
function warnOfRisks({ api, mqtt, query }: Config, { threadPoolSize }: Ambient, logger: Logger): void {
  if (!isLoopback(parseAddress(api.listen).host))
    logger.warn(
      "The API is reachable from other machines over HTTP, which shows tokens to the network; put TLS before it",
      {
        listen: api.listen,
      },
    )
  if (mqtt.listen !== undefined && !isLoopback(parseAddress(mqtt.listen).host))
    logger.warn(
      "MQTT without TLS is reachable from other machines, and shows passwords to the network; use mqtt.tls.listen there",
      { listen: mqtt.listen },
    )
  if (mqtt.allowAnonymous)
    logger.warn("Every program on this machine may publish and subscribe everything over MQTT without a password")
  if (threadPoolSize < query.maxRunning + spareThreads)
    logger.warn("The thread pool is small: slow statements can hold up acknowledgements; set UV_THREADPOOL_SIZE", {
      threadPoolSize,
      wanted: query.maxRunning + spareThreads,
    })
}

/**
 * Threads beside those of users' statements: their checks, lookups (2), sealing, slow hashes of passwords (2), and two for
 * files, of which the log has one.
 */
const spareThreads = 8

/** All of them, also when one fails; the first failure is thrown at the end. */
async function closeBackwards(opened: readonly Closeable[]): Promise<void> {
  const failures: unknown[] = []
  for (const room of opened.toReversed()) await room.close().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined
  return () => {
    closing ??= close()
    return closing
  }
}
