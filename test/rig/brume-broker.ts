/** A real node as an MQTT broker for suites, fuzzers and real clients; a restart is a kill -9 over the same folder. */
import type { MqttBroker } from "@brume/testkit"
import { type NodeProcess, startNode, temporaryFolder } from "./node-process.ts"

export interface BrumeBroker extends MqttBroker {
  readonly node: NodeProcess
  readonly pid: number
  restart(): Promise<void>
}

export interface BrumeBrokerOptions {
  /** More flags of `brume up`. */
  readonly args?: readonly string[]
  /** Programs on this machine need no name and no password. @default false */
  readonly isInsecure?: boolean
}

export async function openBrumeBroker({
  args = [],
  isInsecure = false,
}: BrumeBrokerOptions = {}): Promise<BrumeBroker> {
  const folder = await temporaryFolder()
  const flags = [...(isInsecure ? ["--insecure-mqtt"] : []), ...args]
  // After a kill it listens at the same port again, as a node at a customer's would.
  const start = (mqtt: string): Promise<NodeProcess> => startNode(folder.path, ["--mqtt", mqtt, ...flags])
  let node = await start("127.0.0.1:0")
  const port = node.mqttPort!
  return {
    port,
    // A token's secret is a password with any user name.
    ...(isInsecure ? {} : { credentials: { username: "suite", password: node.token } }),
    refusesStrangers: !isInsecure,
    get webSocketUrl() {
      return `${node.url.replace(/^http/, "ws")}/mqtt`
    },
    get node() {
      return node
    },
    get pid() {
      return node.child.pid!
    },
    async restart() {
      await node.end("SIGKILL")
      node = await start(`127.0.0.1:${port}`)
    },
    async close() {
      await node[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}
