/**
 * The other ends of the benchmark `call`, each a process of its own: `echo` sends frames back as they came (the limit of
 * any such wire), `moleculer` is a service on another Moleculer node.
 */
import { Socket } from "node:net"

const [role, own = "0", other = "0"] = process.argv.slice(2)

if (role === "echo") {
  const socket = new Socket({ fd: 3, readable: true, writable: true })
  socket.on("data", (chunk: Buffer) => void socket.write(chunk))
  socket.on("end", () => process.exit(0))
} else if (role === "moleculer") {
  const { ServiceBroker } = await import("moleculer")
  const broker = new ServiceBroker({
    nodeID: "callee",
    logger: false,
    transporter: {
      type: "TCP",
      options: {
        udpDiscovery: false,
        port: Number(own),
        urls: [`127.0.0.1:${other}/caller`, `127.0.0.1:${own}/callee`],
      },
    },
  })
  broker.createService({ name: "echo", actions: { call: ({ params }: { params: unknown }) => params } })
  await broker.start()
  process.stdout.write("up\n")
  process.stdin.on("end", () => process.exit(0)).resume()
}
