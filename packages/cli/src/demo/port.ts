/** A free port for who did not ask for one. */
import { createServer } from "node:net"

/** How many ports are tried before the node may say itself why it cannot listen. */
const attempts = 100

/** The first free address at or after `host:port`. Another process may still take it before it is used. */
export async function freeAddress(address: string): Promise<string> {
  const colon = address.lastIndexOf(":")
  const host = address.slice(0, colon)
  const first = Number(address.slice(colon + 1))
  for (let port = first; port < first + attempts && port < 65_536; port++) {
    if (await isFree(host.replace(/^\[|\]$/g, ""), port)) return `${host}:${port}`
  }
  return address
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "EADDRINUSE"))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
