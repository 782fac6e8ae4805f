/** What the fuzzer's clients do, scene by scene; each scene is one connection, or a few. */
import { connect, type Socket } from "node:net"
import type { SeededRandom } from "../seeded-random.ts"
import { frame } from "./bytes.ts"
import { type Credentials, idFlood, mutate, randomPacket, subscribeAll, topics, validConnect } from "./fuzz-packets.ts"
import { encodeConnect, encodeDisconnect, encodePublish, type Version } from "./packets.ts"

export interface Stage {
  readonly random: SeededRandom
  readonly port: number
  readonly credentials?: Credentials
  /** Counts what was sent. */
  readonly sent: (packets: number) => void
}

export type Scene = (stage: Stage) => Promise<void>

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const anyVersion = (random: SeededRandom): Version => (random.chance(0.5) ? 4 : 5)
/** Few enough that they meet, and that what their sessions keep is bounded. */
const anyId = (random: SeededRandom): string => (random.chance(0.1) ? "" : `fuzz-${random.below(40)}`)

/** Undefined where the broker does not take it. */
function open(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket))
    socket.on("error", () => resolve(undefined))
  })
}

/** Writes in pieces of any size; ends early when the broker has closed. */
async function writeSplit(random: SeededRandom, socket: Socket, bytes: Buffer): Promise<void> {
  const isWhole = random.chance(0.7)
  for (let at = 0; at < bytes.length && socket.writable; ) {
    const size = isWhole ? bytes.length : 1 + random.below(random.pick([3, 50, 2_000]))
    const isFlowing = socket.write(bytes.subarray(at, at + size))
    at += size
    // A broker that reads no more has said enough.
    if (!isFlowing) await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), pause(200)])
    else if (!isWhole && at % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The ends that a connection can have. */
async function leave(random: SeededRandom, socket: Socket, version: Version): Promise<void> {
  if (random.chance(0.3)) socket.write(encodeDisconnect(version))
  if (random.chance(0.3)) socket.end()
  await pause(random.below(5))
  // A reset keeps no port waiting: there are fewer ports than connections.
  socket.resetAndDestroy()
}

/** A conversation in which something is wrong now and then. */
const talk: Scene = async ({ random, port, credentials, sent }) => {
  const version = anyVersion(random)
  const socket = await open(port)
  if (socket === undefined) return
  socket.resume()
  const packets = [validConnect(random, version, anyId(random), credentials)]
  if (random.chance(0.1)) packets[0] = mutate(random, packets[0]!)
  const isClean = random.chance(0.3)
  for (let count = 20 + random.below(200); count > 0; count--) {
    const packet = randomPacket(random, version, !isClean && random.chance(0.05))
    packets.push(!isClean && random.chance(0.01) ? mutate(random, packet) : packet)
  }
  for (let at = 0; at < packets.length && socket.writable; at += 20) {
    const some = packets.slice(at, at + 20)
    await writeSplit(random, socket, Buffer.concat(some))
    sent(some.length)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await leave(random, socket, version)
}

const withoutConnect: Scene = async ({ random, port, sent }) => {
  const socket = await open(port)
  if (socket === undefined) return
  socket.resume()
  const version = anyVersion(random)
  const bytes = random.chance(0.5)
    ? Buffer.from(random.bytes(1 + random.below(300)))
    : randomPacket(random, version, true)
  await writeSplit(random, socket, bytes)
  sent(1)
  await leave(random, socket, version)
}

/** Announces 256 MB, sends a little of it, and stays a while. */
const hugeHeader: Scene = async ({ random, port, credentials, sent }) => {
  const version = anyVersion(random)
  const socket = await open(port)
  if (socket === undefined) return
  socket.resume()
  if (random.chance(0.7)) socket.write(validConnect(random, version, anyId(random), credentials))
  const first = random.pick([0x10, 0x30, 0x32, 0x82, 0x40])
  socket.write(Buffer.concat([Buffer.from([first, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(random.below(100_000), "/")]))
  sent(2)
  await pause(random.below(50))
  socket.resetAndDestroy()
}

const packetIds: Scene = async ({ random, port, credentials, sent }) => {
  const version = anyVersion(random)
  const socket = await open(port)
  if (socket === undefined) return
  // Its own answers wait unread for a while: they must not pile up without a limit.
  socket.pause()
  const changes = version === 5 ? { properties: { sessionExpiry: 1 } } : {}
  const clientId = `fuzz-ids-${random.below(3)}`
  socket.write(
    encodeConnect(version, { clientId, clean: random.chance(0.5), keepAlive: 60, ...credentials, ...changes }),
  )
  const count = 200 + random.below(2_000)
  await writeSplit(
    random,
    socket,
    Buffer.concat([subscribeAll(version, 2), ...idFlood(version, random.below(65_535), count)]),
  )
  sent(count + 2)
  await pause(random.below(20))
  socket.resetAndDestroy()
}

/** Many connections with one client id, each with a will. */
const fight: Scene = async ({ random, port, credentials, sent }) => {
  const version = anyVersion(random)
  for (let turn = 0; turn < 10; turn++) {
    const socket = await open(port)
    if (socket === undefined) return
    socket.resume()
    const will = {
      topic: random.pick(topics.slice(0, 5)),
      payload: "mine",
      qos: random.below(3),
      retain: random.chance(0.1),
    }
    const clientId = `fuzz-fight-${random.below(2)}`
    socket.write(encodeConnect(version, { clientId, clean: random.chance(0.5), keepAlive: 1, will, ...credentials }))
    if (random.chance(0.5)) socket.write(subscribeAll(version, 2))
    sent(2)
    await pause(random.below(3))
    if (random.chance(0.7)) socket.resetAndDestroy()
    else socket.destroySoon()
  }
}

const slowLoris: Scene = async ({ random, port, credentials, sent }) => {
  const sockets = await Promise.all(Array.from({ length: 5 }, () => open(port)))
  const bytes = validConnect(random, anyVersion(random), anyId(random), credentials)
  for (const one of bytes.subarray(0, random.below(bytes.length))) {
    for (const socket of sockets) if (socket?.writable) socket.write(Buffer.from([one]))
    await pause(1)
  }
  sent(5)
  for (const socket of sockets) socket?.resetAndDestroy()
}

/** Subscribes to everything and reads nothing, while it publishes. */
const deaf: Scene = async ({ random, port, credentials, sent }) => {
  const version = anyVersion(random)
  const socket = await open(port)
  if (socket === undefined) return
  socket.pause()
  const connect = encodeConnect(version, {
    clientId: `fuzz-deaf-${random.below(3)}`,
    clean: true,
    keepAlive: 60,
    ...credentials,
  })
  socket.write(Buffer.concat([connect, subscribeAll(version, random.below(3))]))
  for (let turn = 0; turn < 100 && socket.writable; turn++) {
    const publish = encodePublish(version, { topic: "f/a", payload: Buffer.alloc(random.below(2_000)), qos: 0 })
    await writeSplit(random, socket, publish)
    sent(1)
  }
  await pause(random.below(50))
  socket.resetAndDestroy()
}

/** Topics and filters of as many levels as fit. */
const levels: Scene = async ({ random, port, credentials, sent }) => {
  const version = anyVersion(random)
  const socket = await open(port)
  if (socket === undefined) return
  socket.resume()
  const count = random.pick([100, 1_000, 32_767, 65_535])
  const empty = version === 5 ? Buffer.from([0]) : Buffer.alloc(0)
  const name = random.pick(["/".repeat(count), "+/".repeat(count / 2), "a/".repeat(count / 2)]).slice(0, 65_535)
  const subscribe = frame(0x82, Buffer.from([0, 1]), empty, sizedRaw(name), Buffer.from([0]))
  const publish = frame(0x30, sizedRaw(name.replaceAll("+", "b")), empty)
  await writeSplit(
    random,
    socket,
    Buffer.concat([
      encodeConnect(version, { clientId: anyId(random), clean: true, keepAlive: 5, ...credentials }),
      subscribe,
      publish,
    ]),
  )
  sent(3)
  await leave(random, socket, version)
}

const sizedRaw = (text: string): Buffer => {
  const bytes = Buffer.alloc(2 + text.length)
  bytes.writeUInt16BE(text.length)
  bytes.write(text, 2, "latin1")
  return bytes
}

/** With how often each is played, in parts. */
export const scenes: readonly (readonly [scene: Scene, parts: number])[] = [
  [talk, 70],
  [withoutConnect, 6],
  [hugeHeader, 3],
  [packetIds, 4],
  [fight, 5],
  [slowLoris, 2],
  [deaf, 4],
  [levels, 4],
]

export function pickScene(random: SeededRandom): Scene {
  let part = random.below(scenes.reduce((sum, [, parts]) => sum + parts, 0))
  for (const [scene, parts] of scenes) {
    part -= parts
    if (part < 0) return scene
  }
  return talk
}
