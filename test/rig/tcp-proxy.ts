/** A link that can be cut: passes TCP on, until it is told not to. */
import { connect, createServer, type Socket } from "node:net"

export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Ends what is open and takes nothing new. */
  cut(): void
  /** Takes everything and passes nothing on, as a dead network does. */
  stall(): void
  restore(): void
}

export async function openTcpProxy(target: number): Promise<TcpProxy> {
  let state: "open" | "cut" | "stalled" = "open"
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  }
  const server = createServer((near) => {
    if (state === "cut") {
      near.destroy()
      return
    }
    const far = connect(target, "127.0.0.1")
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      keep(from)
      from.on("data", (bytes) => state === "open" && to.write(bytes))
      from.on("close", () => to.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const cut = (): void => {
    state = "cut"
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cut,
    stall: () => {
      state = "stalled"
    },
    restore: () => {
      state = "open"
    },
    [Symbol.asyncDispose]: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
