/** MQTT over WebSocket: the handshake, and all connections together. What is said over them is the MQTT front's. */
import { FogError, type Metrics } from "@brume/core"
import type { FastifyInstance, FastifyRequest } from "fastify"
import type { WebSocket } from "ws"
import type { Operation } from "../operation.ts"
import type { MqttPort } from "../ports.ts"
import { type AcceptWebSocket, checkHandshake } from "../upgrades.ts"

export interface MqttRouteOptions {
  readonly mqtt: Pick<MqttPort, "webSockets">
  readonly metrics: Metrics
  readonly maxConnections: number
  readonly accept: AcceptWebSocket
}

export interface MqttSockets {
  readonly count: number
  /** Each client is told that the node stops. */
  endAll(): void
  /** Ends those that are still there. */
  cutOff(): void
}

/** [MQTT-6.0.0-3]; the second is what clients of 3.1 say. */
const protocols = ["mqtt", "mqttv3.1"] as const
/** What proxies add. */
const forwardingHeaders = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]

const operation: Operation = {
  id: "mqtt",
  tag: "mqtt",
  summary: "Speak MQTT over WebSocket",
  description:
    "A WebSocket with the subprotocol `mqtt`, for MQTT 3.1.1 and 5.0 in binary messages. The handshake needs no token: " +
    "MQTT's CONNECT says who is there, e.g. with any user name and the secret of a token as password.",
  access: "public",
  answers: { 101: { description: "CONNECT is awaited." } },
}

export function addMqttRoute(app: FastifyInstance, options: MqttRouteOptions): MqttSockets {
  const { webSockets } = options.mqtt
  const open = new Set<WebSocket>()
  options.metrics.gauge("brume_api_mqtt_connections", "Open WebSockets of MQTT", () => open.size)

  app.route({
    method: "GET",
    url: "/mqtt",
    config: { operation, webSocket: { protocols, maxMessageBytes: webSockets.maxMessageBytes } },
    handler: (request, reply) => {
      checkOffer(request)
      if (open.size >= options.maxConnections) throw tooMany(options.maxConnections)
      options.accept(request, reply, (webSocket, socket) => {
        open.add(webSocket)
        webSocket.once("close", () => open.delete(webSocket))
        const isForwarded = forwardingHeaders.some((name) => request.headers[name] !== undefined)
        webSockets.serve(webSocket, { socket, isForwarded })
      })
    },
  })
  return {
    get count() {
      return open.size
    },
    endAll: () => webSockets.endAll(),
    cutOff() {
      for (const webSocket of open) webSocket.terminate()
    },
  }
}

function checkOffer(request: FastifyRequest): void {
  const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? []
  if (request.isHandshake && protocols.some((name) => offered.includes(name))) {
    checkHandshake(request)
    return
  }
  throw new FogError("request_invalid", {
    message: `This is MQTT over WebSocket, and the request ${request.isHandshake ? "offers another protocol" : "does not ask for one"}`,
    hint: "Open it with an MQTT client, e.g. brume subscribe, or with a WebSocket whose subprotocol is mqtt.",
  })
}

function tooMany(limit: number): FogError {
  return new FogError("too_many_connections", {
    message: `The node serves ${limit} connections of MQTT over WebSocket, which is its limit`,
    hint: "Connect devices over TCP (mqtt.listen), or raise api.maxConnections.",
  })
}
