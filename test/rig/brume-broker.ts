/** A real node as an MQTT broker for suites, fuzzers and real clients; a restart is a kill -9 over the same folder. */
import type { MqttBroker } from "@brume/testkit"
import { type NodeProcess, startNode, temporaryFolder } from "./node-process.ts"

export interface BrumeBroker extends MqttBroker {
  readonly node: NodeProcess
  readonly pid: number
  restart(): Promise<void>
}

/** @param args more flags of `brume up` */
export async function openBrumeBroker(args: readonly string[] = []): Promise<BrumeBroker> {
  const folder = await temporaryFolder()
  // Suites and fuzzers are one address with more connections than a site has.
  const settings = ["mqtt.maxConnectionsPerAddress=10000"]
  const flags = ["--insecure-mqtt", ...settings.flatMap((setting) => ["--set", setting]), ...args]
  // After a kill it listens at the same port again, as a node at a customer's would.
  const start = (mqtt: string): Promise<NodeProcess> => startNode(folder.path, ["--mqtt", mqtt, ...flags])
  let node = await start("127.0.0.1:0")
  const port = node.mqttPort!
  return {
    port,
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
