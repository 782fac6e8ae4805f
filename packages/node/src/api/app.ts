/** Fastify with everything that is the same for all routes, and the routes. Nothing here listens yet. */
import type { Server } from "node:http"
import { createAttempts, FogError } from "@brume/core"
import fastify, { type FastifyHttpOptions, type FastifyInstance } from "fastify"
import { collectAllowedMethods } from "./allowed-methods.ts"
import { createAuthentication } from "./authentication.ts"
import { type BodyReader, createBodyReader } from "./body.ts"
import { createBodyBudget } from "./body-budget.ts"
import { type Connections, createConnections } from "./connections.ts"
import { buildDocument, registerDocument } from "./document.ts"
import { addDocumentBody } from "./document-body.ts"
import { createGate } from "./gate.ts"
import { addJsonBody, jsonBodyBytes } from "./json-body.ts"
import { addAlarmsLiveRoute } from "./live/alarms-route.ts"
import { addLiveRoute } from "./live/live-route.ts"
import { type LiveConnections, LiveStreams } from "./live/live-streams.ts"
import { addMqttRoute, type MqttSockets } from "./live/mqtt-route.ts"
import { type ApiLimits, type ApiOptions, resolveLimits } from "./options.ts"
import { createProblemHandler } from "./problems.ts"
import { addRequestHooks, createRequestIds, notFound, type Requests } from "./requests.ts"
import { addAlarmRoutes } from "./routes/alarms.ts"
import { addBanRoutes } from "./routes/bans.ts"
import { addClientRoutes } from "./routes/clients.ts"
import { addCommandRoutes } from "./routes/commands.ts"
import { addConsoleRoutes, sendPlaceholder } from "./routes/console.ts"
import { addCredentialRoutes } from "./routes/credentials.ts"
import { addDeviceRoutes } from "./routes/devices.ts"
import { addDocsRoutes } from "./routes/docs.ts"
import { addDocumentRoutes } from "./routes/documents.ts"
import { addEffectRoutes } from "./routes/effects.ts"
import { addFunctionLogRoute, type LogFollowers } from "./routes/function-logs.ts"
import { addFunctionMount } from "./routes/function-mount.ts"
import { addFunctionCalls, addFunctionRoutes } from "./routes/functions.ts"
import { addInfluxRoutes } from "./routes/influx.ts"
import { addNodeRoutes } from "./routes/node.ts"
import { addQueryRoutes } from "./routes/query.ts"
import { addReadingsRoute } from "./routes/readings.ts"
import { addRuleTrialRoutes } from "./routes/rule-trials.ts"
import { addSecretRoutes } from "./routes/secrets.ts"
import { addTokenRoutes } from "./routes/tokens.ts"
import { addTwinRoutes } from "./routes/twins.ts"
import { type AcceptWebSocket, addUpgrades } from "./upgrades.ts"

export interface App {
  readonly fastify: FastifyInstance
  readonly limits: ApiLimits
  readonly requests: Requests
  readonly live: LiveConnections
  readonly mqtt: MqttSockets
  readonly logs: LogFollowers
}

export async function createApp(options: ApiOptions): Promise<App> {
  const limits = resolveLimits(options.limits)
  const connections = createConnections({ clock: options.clock, maxConnections: limits.maxConnections })
  const fail = createProblemHandler(options)
  const app = fastify({
    ...serverOptions(limits, connections),
    genReqId: createRequestIds(options.random),
    // Errors of the router itself, before any hook.
    frameworkErrors: (error, request, reply) => fail(error, request, reply),
  })
  connections.watch(app.server)
  app.setErrorHandler(fail)
  const allowedMethods = collectAllowedMethods(app)
  app.setNotFoundHandler((request, reply) => {
    if (request.url.replace(/\?.*$/s, "") === "/") return sendPlaceholder(reply, options.version)
    throw notFound(request, allowedMethods)
  })
  await registerDocument(app, options.version)
  const accept = addUpgrades(app)
  const authenticate = createAuthentication({ ...options, attempts: attemptsOf(options, limits) })
  const gate = createGate({
    listenHost: options.listen.host,
    allowedHosts: options.allowedHosts ?? [],
    allowedOrigins: options.allowedOrigins ?? [],
  })
  const requests = addRequestHooks(app, { ...options, gate, connections, authenticate, allowedMethods })
  const readBody = createBodyReader({
    budget: createBodyBudget(limits.maxBodiesBytes),
    invite: connections.invite,
    metrics: options.metrics,
  })
  const sockets = await addRoutes(app, options, { limits, readBody, accept, authenticate })
  await app.ready()
  return { fastify: app, limits, requests, ...sockets }
}

function serverOptions(limits: ApiLimits, connections: Connections): FastifyHttpOptions<Server> {
  return {
    logger: false,
    bodyLimit: jsonBodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    return503OnClosing: false,
    // Names of devices are long, and longer with percent signs.
    routerOptions: { maxParamLength: 8_192 },
    clientErrorHandler: (error, socket) => connections.refuse(error, socket),
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: true, allowUnionTypes: true } },
    http: {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveMs,
      // How often the two limits above are looked at.
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.headersTimeoutMs / 4)),
      maxHeaderSize: 16_384,
      // A missing Host gets a problem body instead of Node.js's empty answer.
      requireHostHeader: false,
    },
  }
}

/** Addresses whose failures are remembered; about 100 bytes each. */
const maxAddresses = 10_000

function attemptsOf({ clock }: ApiOptions, { maxFailedAttempts }: ApiLimits) {
  return createAttempts({ clock, limit: maxFailedAttempts, windowMs: 60_000, maxNames: maxAddresses })
}

interface RouteParts {
  readonly limits: ApiLimits
  readonly readBody: BodyReader
  readonly accept: AcceptWebSocket
  readonly authenticate: ReturnType<typeof createAuthentication>
}

async function addRoutes(
  app: FastifyInstance,
  options: ApiOptions,
  { limits, readBody, accept, authenticate }: RouteParts,
): Promise<Pick<App, "live" | "mqtt" | "logs">> {
  const bodies = { ...options, readBody, maxBodyBytes: limits.maxBodyBytes }
  addJsonBody(app, readBody)
  await app.register(async (scope) => {
    leaveBodiesAlone(scope)
    addReadingsRoute(scope, bodies)
    addFunctionCalls(scope, bodies)
    addFunctionMount(scope, { ...bodies, authenticate })
  })
  addDeviceRoutes(app, options)
  addCommandRoutes(app, options)
  addTwinRoutes(app, options)
  addFunctionRoutes(app, bodies)
  const logs = addFunctionLogRoute(app, { ...options, stallMs: limits.stallMs })
  addSecretRoutes(app, options.functions)
  addEffectRoutes(app, options)
  addAlarmRoutes(app, options)
  await app.register(async (scope) => {
    addDocumentBody(scope, readBody)
    addDocumentRoutes(scope, options)
  })
  addRuleTrialRoutes(app, options)
  addQueryRoutes(app, { ...options, stallMs: limits.stallMs })
  const streams = new LiveStreams({ ...options, maxConnections: limits.maxLiveConnections })
  addLiveRoute(app, { ...options, streams, accept })
  addAlarmsLiveRoute(app, { ...options, streams, accept })
  const mqtt = addMqttRoute(app, { ...options, accept, maxConnections: limits.maxMqttConnections })
  addClientRoutes(app, options)
  addTokenRoutes(app, { tokens: options.tokens, onRevoked: () => streams.checkTokens() })
  addCredentialRoutes(app, options)
  addBanRoutes(app, options)
  addNodeRoutes(app, options)
  addDocsRoutes(app, () => buildDocument(app))
  await app.register(async (scope) => {
    leaveBodiesAlone(scope)
    addInfluxRoutes(scope, bodies)
  })
  await addConsoleRoutes(app, { folder: options.consoleFolder, version: options.version })
  return { live: streams, mqtt, logs }
}

/** The handlers read the bodies themselves, whatever their type. */
function leaveBodiesAlone(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser("*", (_request, _payload, done) => done(null))
}

export function listenFailed(host: string, port: number, cause: unknown): FogError {
  const { code, message } = cause as NodeJS.ErrnoException
  const why: Readonly<Record<string, readonly [string, string]>> = {
    EADDRINUSE: ["another program listens there", "Stop it (is it another node?), or set api.listen to another port."],
    EACCES: ["this user may not use the port", "Set api.listen to a port above 1023."],
    EADDRNOTAVAIL: ["this machine has no such address", "Set api.listen to an address of this machine, or to 0.0.0.0."],
    ENOTFOUND: ["the name cannot be resolved", "Set api.listen to an IP address of this machine."],
  }
  const [reason, hint] = why[code ?? ""] ?? [message, "Set api.listen to another address."]
  return new FogError("listen_failed", { message: `Cannot listen on ${host}:${port}: ${reason}`, hint, cause })
}
