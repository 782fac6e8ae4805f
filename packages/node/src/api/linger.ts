/**
 * Answers a request whose body is still arriving and will not be read. (A5)
 *
 * Closing at once would turn the unread bytes into a reset, which can take the answer away from a client that is still
 * sending. So the answer goes out, what arrives is dropped, and the connection ends when the client stops or is out of time.
 */
import type { Clock } from "@brume/core"
import type { FastifyReply } from "fastify"

/** How long a client may go on sending what nobody reads. */
const lingerMs = 1_000

export function linger(reply: FastifyReply, body: string, clock: Clock): void {
  reply.hijack()
  const { raw } = reply
  const request = raw.req
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  raw.setHeader("connection", "close")
  raw.setHeader("content-length", Buffer.byteLength(body))
  raw.writeHead(reply.statusCode)
  raw.write(body)
  const end = (): void => {
    timer.cancel()
    request.off("end", end).off("close", end)
    raw.end()
  }
  const timer = clock.after(lingerMs, end)
  request.on("end", end).on("close", end)
  request.resume()
}
