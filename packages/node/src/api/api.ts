/**
 * The node's HTTP and WebSocket API, on one port.
 *
 * Invariants:
 * - A1 Every route declares who may call it; all but the public ones need a token, also on loopback.
 * - A2 Every error is an answer with a code of the registry, as problem+json, or in InfluxDB's shape on its paths. What
 *   is not a FogError is `internal`: its text stays in the log, with the id of the request.
 * - A3 Bytes of bodies in memory are bounded: of one body before and after decompression, and of all together.
 * - A4 Readings are acknowledged after they are durable, and never otherwise.
 * - A5 A request that is refused is answered before its body arrived, and what still arrives is dropped for a bounded time.
 * - A6 Host and Origin are checked before anything else, so that no page of a stranger reaches the node.
 * - A7 A client that reads slowly holds back its own answer only, and for a bounded time.
 * - A8 `close` ends within a second: running requests may finish, live streams end with code 1001, MQTT's as MQTT ends them.
 *
 * It is not TLS: beyond loopback a proxy or a tunnel belongs before it. It knows no room: ports come as options.
 */
import type { AddressInfo } from "node:net"
import type { Clock, Closeable } from "@brume/core"
import { type App, createApp, listenFailed } from "./app.ts"
import type { ApiOptions } from "./options.ts"

export interface Api extends Closeable {
  /** E.g. `http://127.0.0.1:7777`. */
  readonly url: string
  readonly address: { readonly host: string; readonly port: number }
  /** No new connection is accepted and new requests are refused; those that run go on. Idempotent. */
  stopIntake(): void
}

/** Listens when it resolves. Throws `listen_failed`. */
export async function openApi(options: ApiOptions): Promise<Api> {
  const app = await createApp(options)
  const { server } = app.fastify
  const { host, port } = options.listen
  try {
    // The name may stand for two addresses, and one server listens on one.
    await app.fastify.listen({ host: host === "localhost" ? "127.0.0.1" : host, port })
  } catch (error) {
    await app.fastify.close()
    throw listenFailed(host, port, error)
  }
  const bound = server.address() as AddressInfo
  const shownHost = bound.family === "IPv6" ? `[${bound.address}]` : bound.address

  const stopIntake = (): void => {
    app.requests.refuseAll()
    if (server.listening) server.close()
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= closeApp(app, { stopIntake, clock: options.clock })
    return closing
  }
  return {
    url: `http://${shownHost}:${bound.port}`,
    address: { host: bound.address, port: bound.port },
    stopIntake,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** How often the end of running requests is looked for. */
const lookMs = 10

/** A8 */
async function closeApp(app: App, { stopIntake, clock }: { stopIntake: () => void; clock: Clock }): Promise<void> {
  stopIntake()
  app.live.endAll()
  app.mqtt.endAll()
  app.logs.endAll()
  const deadline = clock.monotonic() + app.limits.drainMs
  const isBusy = (): boolean => app.requests.running > 0 || app.live.count > 0 || app.mqtt.count > 0
  while (isBusy() && clock.monotonic() < deadline) {
    await new Promise<void>((resolve) => clock.after(lookMs, resolve))
  }
  app.mqtt.cutOff()
  app.fastify.server.closeAllConnections()
  await app.fastify.close()
}
