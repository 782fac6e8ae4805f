/** An MQTT client for tests, on mqtt-packet: what it is told is acknowledged, and what comes, are lists. */
import { connect, type Socket } from "node:net"
import { generate, type Packet, parser } from "mqtt-packet"

export interface PeerOptions {
  readonly port: number
  readonly clientId: string
  /** @default 5 */
  readonly version?: 4 | 5
  /** @default true */
  readonly isClean?: boolean
  readonly username?: string
  readonly password?: string
}

export interface Arrived {
  readonly topic: string
  readonly text: string
  readonly qos: number
  readonly retain: boolean
  readonly userProperties: Readonly<Record<string, unknown>>
  /** With 5.0 alone, where the sender gave them. */
  readonly responseTopic?: string | undefined
  readonly correlationData?: string | undefined
}

export interface Peer extends AsyncDisposable {
  readonly arrived: Arrived[]
  /** Payloads of what arrived. */
  texts(): string[]
  readonly isOpen: boolean
  subscribe(filter: string, qos?: 0 | 1 | 2): Promise<number>
  /** Resolves when it is acknowledged; rejects when the connection ends before that, or it is refused. */
  publish(topic: string, text: string, options?: { qos?: 0 | 1 | 2; retain?: boolean }): Promise<void>
  end(): void
}

export async function openPeer(options: PeerOptions): Promise<Peer> {
  const { port, clientId, version = 5, isClean = true, username, password } = options
  const socket: Socket = connect(port, "127.0.0.1")
  socket.setNoDelay(true)
  const reader = parser({ protocolVersion: version })
  const arrived: Arrived[] = []
  const waiting = new Map<string, { resolve: (packet: Packet) => void; reject: (error: Error) => void }>()
  let isOpen = true
  let nextId = 1
  const send = (packet: Packet): void => {
    if (isOpen) socket.write(generate(packet, { protocolVersion: version }))
  }
  const answerTo = (key: string): Promise<Packet> =>
    new Promise((resolve, reject) => {
      if (isOpen) waiting.set(key, { resolve, reject })
      else reject(new Error("the connection is over"))
    })
  const settle = (key: string, packet: Packet): void => {
    waiting.get(key)?.resolve(packet)
    waiting.delete(key)
  }
  reader.on("packet", (packet: Packet) => {
    const id = packet.messageId ?? 0
    if (packet.cmd === "publish") {
      arrived.push({
        topic: packet.topic,
        text: packet.payload.toString(),
        qos: packet.qos,
        retain: packet.retain,
        userProperties: { ...packet.properties?.userProperties },
        responseTopic: packet.properties?.responseTopic,
        correlationData: packet.properties?.correlationData?.toString(),
      })
      if (packet.qos === 1) send({ cmd: "puback", messageId: id })
      else if (packet.qos === 2) send({ cmd: "pubrec", messageId: id })
    } else if (packet.cmd === "pubrel") send({ cmd: "pubcomp", messageId: id })
    else if (packet.cmd === "pubrec") {
      if ((packet.reasonCode ?? 0) >= 0x80) settle(`pub ${id}`, packet)
      else send({ cmd: "pubrel", messageId: id })
    } else if (packet.cmd === "puback" || packet.cmd === "pubcomp") settle(`pub ${id}`, packet)
    else if (packet.cmd === "suback") settle(`sub ${id}`, packet)
    else if (packet.cmd === "connack") settle("connack", packet)
  })
  socket.on("data", (bytes) => reader.parse(bytes))
  socket.on("error", () => {})
  socket.on("close", () => {
    isOpen = false
    for (const { reject } of waiting.values()) reject(new Error("the connection ended"))
    waiting.clear()
  })
  const welcome = answerTo("connack")
  send({
    cmd: "connect",
    protocolId: "MQTT",
    protocolVersion: version,
    clientId,
    clean: isClean,
    keepalive: 60,
    ...(username === undefined ? {} : { username, password: Buffer.from(password ?? "") }),
    ...(version === 5 && !isClean ? { properties: { sessionExpiryInterval: 3_600 } } : {}),
  })
  const connack = (await welcome) as Packet & { reasonCode?: number; returnCode?: number }
  const code = connack.reasonCode ?? connack.returnCode ?? 0
  if (code !== 0) throw new Error(`refused with ${code}`)
  return {
    arrived,
    texts: () => arrived.map(({ text }) => text),
    get isOpen() {
      return isOpen
    },
    subscribe: async (filter, qos = 1) => {
      const messageId = nextId++
      const answer = answerTo(`sub ${messageId}`)
      send({ cmd: "subscribe", messageId, subscriptions: [{ topic: filter, qos }] })
      return Number(((await answer) as Packet & { granted: number[] }).granted[0])
    },
    publish: async (topic, text, { qos = 1, retain = false } = {}) => {
      const messageId = (nextId++ % 65_000) + 1
      const answer = qos === 0 ? undefined : answerTo(`pub ${messageId}`)
      send({ cmd: "publish", topic, payload: text, qos, retain, dup: false, ...(qos === 0 ? {} : { messageId }) })
      const refused = ((await answer) as { reasonCode?: number } | undefined)?.reasonCode ?? 0
      if (refused >= 0x80) throw new Error(`refused with ${refused}`)
    },
    end: () => socket.destroy(),
    [Symbol.asyncDispose]: async () => {
      socket.destroy()
    },
  }
}
