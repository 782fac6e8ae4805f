/** CONNECT and CONNACK: chapters 3.1 and 3.2. */
import { expect } from "vitest"
import { byte, frame, sized, two } from "./bytes.ts"
import {
  connectFlagsAt,
  dropped,
  exchange,
  illFormed,
  rawProperties,
  sendsConnect,
  sendsParts,
  withFlag,
} from "./endings.ts"
import { encodeConnect, encodePublish, encodeSubscribe, pingreq } from "./packets.ts"
import { encodeProperties, encodeProperty } from "./properties.ts"
import type { Chapter } from "./trial.ts"

export function describeConnecting({ both, v4, v5 }: Chapter): void {
  both("3.1.0-1", "another packet before CONNECT closes the connection", async (trial) => {
    const { version } = trial
    const packets = [pingreq, encodeSubscribe(version, 1, [{ filter: "a" }]), encodePublish(version, { topic: "a" })]
    for (const packet of packets) {
      const answer = await exchange(trial.broker.port, packet)
      // 5.0 lets a server say so in a CONNACK first.
      if (version === 4) expect(answer.length).toBe(0)
      else expect([undefined, 0x20]).toContain(answer[0])
    }
  })

  both("3.1.0-2", "a second CONNECT closes the connection", async (trial) => {
    const client = await trial.client()
    client.write(encodeConnect(trial.version, trial.connectPacket({ clientId: client.clientId })))
    await dropped(client, 0x82)
  })

  both("3.1.2-1", "a wrong protocol name is refused", async (trial) => {
    const client = await sendsConnect(trial, (bytes) =>
      Buffer.from(bytes.toString("latin1").replace("MQTT", "MQTX"), "latin1"),
    )
    // 3.1.1 lets a server answer by another specification, which this one knows: return code 1.
    const last = await client.closed()
    if (last !== undefined) expect(trial.version === 4 ? [1] : [0x84, 0x81, 0x82]).toContain(last.code)
  })

  both("3.1.2-2", "an unknown protocol level is answered with that reason, then closed", async (trial) => {
    for (const level of [2, 6, 127]) {
      const packet = encodeConnect(trial.version, trial.connectPacket())
      packet[connectFlagsAt - 1] = level
      const answer = await exchange(trial.broker.port, packet)
      // Which version's CONNACK such a client would understand is the server's guess.
      if (trial.version === 4 || answer.length > 0) expect([0x01, 0x84]).toContain(answer[3])
    }
  })

  both(["3.1.2-3 3.1.4-1", "3.1.2-3"], "the reserved connect flag must be 0", async (trial) => {
    const client = await sendsConnect(trial, withFlag(1))
    await dropped(client, 0x81, 0x82)
  })

  both(["3.1.2-13", "3.1.2-11"], "a will QoS without a will is refused", async (trial) => {
    await dropped(await sendsConnect(trial, withFlag(8)), 0x81, 0x82)
  })

  both(["3.1.2-15", "3.1.2-13"], "a will retain without a will is refused", async (trial) => {
    await dropped(await sendsConnect(trial, withFlag(32)), 0x81, 0x82)
  })

  both(["3.1.2-14", "3.1.2-12"], "will QoS 3 is refused", async (trial) => {
    const client = await trial.open()
    client.write(encodeConnect(trial.version, trial.connectPacket({ will: { topic: "a", payload: "b", qos: 3 } })))
    await dropped(client, 0x81, 0x82)
  })

  v4("3.1.2-22", "a password without a user name is refused", async (trial) => {
    const client = await trial.open()
    const { username: _username, ...packet } = trial.connectPacket({ password: "secret" })
    client.write(encodeConnect(4, packet))
    await dropped(client)
  })

  v5("", "a password without a user name is well-formed: the CONNACK decides", async (trial) => {
    const client = await trial.open()
    const { username: _username, ...packet } = trial.connectPacket({ password: "secret" })
    const { code } = await client.connect(packet)
    expect([0, 0x86, 0x87]).toContain(code)
  })

  both(
    ["3.1.2-9 3.1.2-19 3.1.2-21", "3.1.2-9 3.1.2-17 3.1.2-19"],
    "fields that flags announce must be there",
    async (trial) => {
      await dropped(await sendsParts(trial, { flags: 128, credentials: [] }), 0x81, 0x82)
      await dropped(await sendsParts(trial, { flags: 64, credentials: [sized("user")] }), 0x81, 0x82)
      await dropped(await sendsParts(trial, { flags: 4, credentials: [] }), 0x81, 0x82)
    },
  )

  both(
    ["3.1.3-3 3.1.2-18 3.1.2-20", "3.1.3-3 3.1.2-16 3.1.2-18"],
    "bytes behind the last field are refused",
    async (trial) => {
      await dropped(await sendsParts(trial, { rest: sized("rest") }), 0x81, 0x82)
    },
  )

  both("3.1.3-3", "a CONNECT without a client id field is refused", async (trial) => {
    const properties = trial.version === 5 ? [encodeProperties()] : []
    const client = await trial.open()
    client.write(frame(0x10, sized("MQTT"), byte(trial.version), byte(2), two(60), ...properties))
    await dropped(client, 0x81, 0x82)
  })

  both("3.1.3-5", "client ids of 1 and of 23 letters and digits are allowed", async (trial) => {
    for (const clientId of ["Z", trial.name("0123456789abcdefghijklmnop").slice(0, 23)]) {
      await trial.client({ clientId })
    }
  })

  both(["3.1.3-6", "3.1.3-6 3.1.3-7"], "clients without an id are served side by side", async (trial) => {
    const first = await trial.client({ clientId: "" })
    const second = await trial.client({ clientId: "" })
    await first.ping()
    await second.ping()
  })

  v5("3.2.2-16", "a client without an id is told the one it got, a new one for each", async (trial) => {
    const ids = []
    for (let turn = 0; turn < 3; turn++)
      ids.push((await trial.client({ clientId: "" })).connack.properties.assignedClientId)
    for (const id of ids) expect(id).toMatch(/./)
    expect(new Set(ids).size).toBe(3)
  })

  v5("3.1.3-7", "the assigned id names a session that can be resumed with it", async (trial) => {
    const first = await trial.client({ clientId: "", properties: { sessionExpiry: 60 } })
    await first.disconnect()
    const clientId = first.connack.properties.assignedClientId!
    const again = await trial.client({ clientId, clean: false, properties: { sessionExpiry: 60 } })
    expect(again.connack.sessionPresent).toBe(true)
    expect(again.connack.properties.assignedClientId).toBeUndefined()
  })

  v4("3.1.3-8", "no id with clean session 0 is answered with return code 2, then closed", async (trial) => {
    const refusal = await trial.refused({ clientId: "", clean: false })
    expect(refusal?.code).toBe(2)
  })

  v5("3.1.3-6 3.1.3-8", "no id with clean start 0 is assigned one, or refused with 0x85", async (trial) => {
    const client = await trial.open()
    const connack = await client.connect(trial.connectPacket({ clientId: "", clean: false }))
    if (connack.code === 0) expect(connack.properties.assignedClientId).toMatch(/./)
    else expect(connack.code).toBe(0x85)
  })

  both(["3.1.3-4 1.5.3-1", "3.1.3-4 1.5.4-1"], "a client id that is not UTF-8 is refused", async (trial) => {
    for (const bad of illFormed) await dropped(await sendsParts(trial, { clientId: bad }), 0x81, 0x82, 0x85)
  })

  both(["3.1.3-10 1.5.3-1", "3.1.3-11 1.5.4-1"], "a will topic that is not UTF-8 is refused", async (trial) => {
    const properties = trial.version === 5 ? [encodeProperties()] : []
    for (const bad of illFormed) {
      const client = await sendsParts(trial, { flags: 4, will: [...properties, sized(bad), sized("payload")] })
      await dropped(client, 0x81, 0x82, 0x90)
    }
  })

  both(["3.1.3-11 1.5.3-1", "3.1.3-12 1.5.4-1"], "a user name that is not UTF-8 is refused", async (trial) => {
    for (const bad of illFormed) {
      await dropped(await sendsParts(trial, { credentials: [sized(bad), sized("x")] }), 0x81, 0x82)
    }
  })

  both(["3.1.4-2", "3.1.4-3"], "a second connection with the same id ends the first", async (trial) => {
    const first = await trial.client()
    const second = await trial.client({ clientId: first.clientId })
    const last = await first.closed()
    if (trial.version === 5) expect(last).toMatchObject({ type: "disconnect", code: 0x8e })
    else expect(last).toBeUndefined()
    await second.ping()
  })

  both(["3.1.4-2", "3.1.4-3"], "the id is taken over from a client of the other version too", async (trial) => {
    const other = trial.version === 4 ? 5 : 4
    const first = await trial.client({ version: other })
    const second = await trial.client({ clientId: first.clientId })
    const last = await first.closed()
    if (other === 5) expect(last).toMatchObject({ type: "disconnect", code: 0x8e })
    await second.ping()
  })

  both(
    ["3.1.4-4 3.2.0-1", "3.1.4-5 3.2.0-1"],
    "packets sent right behind CONNECT are served, CONNACK comes first",
    async (trial) => {
      const client = await trial.open()
      const topic = trial.name()
      const { version } = trial
      const bytes = [
        encodeConnect(version, trial.connectPacket()),
        encodeSubscribe(version, 1, [{ filter: topic }]),
        encodePublish(version, { topic, payload: "early", qos: 1, id: 2 }),
        pingreq,
      ]
      client.write(...bytes)
      expect(await client.expect("connack")).toMatchObject({ code: 0, sessionPresent: false })
      const rest = ["suback", "publish", "puback", "pingresp"] as const
      for (const type of rest) await client.take((packet) => packet.type === type)
      expect(client.waiting).toEqual([])
    },
  )

  both(["3.1.4-5", "3.1.4-6"], "what stands behind a refused CONNECT is not processed", async (trial) => {
    const topic = trial.name()
    const watcher = await trial.client()
    await watcher.subscribe(topic)
    const connect = encodeConnect(trial.version, trial.connectPacket())
    connect[connectFlagsAt]! |= 1
    const client = await trial.open()
    client.write(connect, encodePublish(trial.version, { topic, payload: "smuggled" }))
    await dropped(client)
    await watcher.publish({ topic, payload: "sentinel" })
    expect(await watcher.payloads(1)).toEqual(["sentinel"])
  })

  both("3.2.0-1", "a CONNECT that arrives byte by byte is served", async (trial) => {
    const client = await trial.open()
    for (const one of encodeConnect(trial.version, trial.connectPacket())) {
      client.write(byte(one))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await client.expect("connack")).code).toBe(0)
  })

  both(["", "3.1.4-2"], "wrong credentials are refused", async (trial) => {
    if (trial.broker.refusesStrangers !== true) trial.context.skip("the broker admits strangers")
    const wrong = [
      { username: "nobody", password: "wrong" },
      { username: trial.broker.credentials!.username, password: "wrong" },
    ]
    for (const credentials of wrong) {
      const refusal = await trial.refused(credentials)
      // Who guesses may also be told to come later.
      expect(trial.version === 4 ? [4, 5, 3] : [0x86, 0x87, 0x9f]).toContain(refusal?.code)
    }
  })

  both(["", "3.1.4-2"], "missing credentials are refused", async (trial) => {
    if (trial.broker.refusesStrangers !== true) trial.context.skip("the broker admits strangers")
    const client = await trial.open()
    client.write(encodeConnect(trial.version, { clientId: trial.name(), clean: true, keepAlive: 60 }))
    const last = await client.closed()
    expect(trial.version === 4 ? [4, 5, 3] : [0x86, 0x87, 0x9f]).toContain(last?.code)
  })

  describeConnectProperties(v5)
}

function describeConnectProperties(v5: Chapter["v5"]): void {
  const withRaw = (name: string, properties: () => Buffer, ...codes: number[]): void =>
    v5("3.1.4-1", `CONNECT with ${name} is refused`, async (trial) => {
      await dropped(await sendsParts(trial, { properties: properties() }), ...codes)
    })
  const of = encodeProperty
  withRaw("receive maximum 0", () => rawProperties(of("receiveMaximum", 0)), 0x82)
  withRaw("receive maximum twice", () => rawProperties(of("receiveMaximum", 1), of("receiveMaximum", 1)), 0x82)
  withRaw("maximum packet size 0", () => rawProperties(of("maximumPacketSize", 0)), 0x82)
  withRaw(
    "maximum packet size twice",
    () => rawProperties(of("maximumPacketSize", 99), of("maximumPacketSize", 99)),
    0x82,
  )
  withRaw("session expiry twice", () => rawProperties(of("sessionExpiry", 9), of("sessionExpiry", 9)), 0x82)
  withRaw(
    "topic alias maximum twice",
    () => rawProperties(of("topicAliasMaximum", 9), of("topicAliasMaximum", 9)),
    0x82,
  )
  withRaw("request problem information 2", () => rawProperties(of("requestProblem", 2)), 0x82)
  withRaw("request response information 2", () => rawProperties(of("requestResponse", 2)), 0x82)
  withRaw("a property of PUBLISH", () => rawProperties(of("topicAlias", 1)), 0x82, 0x81)
  withRaw("a property of the server", () => rawProperties(of("assignedClientId", "a")), 0x82, 0x81)
  withRaw("an unknown property", () => rawProperties(byte(0x7f), byte(0)), 0x81, 0x82)
  withRaw("a property cut short", () => rawProperties(byte(17), byte(0)), 0x81, 0x82)
  withRaw("properties longer than the packet", () => byte(100), 0x81, 0x82)
  withRaw("authentication data without a method", () => rawProperties(of("authData", Buffer.from("a"))), 0x82)

  v5("4.12.0-1 3.14.0-1", "an unknown authentication method is refused in a CONNACK or by closing", async (trial) => {
    const refusal = await trial.refused({ properties: { authMethod: "no-such-method", authData: Buffer.from("x") } })
    if (refusal !== undefined) expect([0x8c, 0x87]).toContain(refusal.code)
  })

  v5("3.1.2-28", "no response information without a request for it", async (trial) => {
    for (const properties of [{}, { requestResponse: 0 }]) {
      expect((await trial.client({ properties })).connack.properties.responseInformation).toBeUndefined()
    }
    // With a request it MAY come.
    await trial.client({ properties: { requestResponse: 1 } })
  })

  v5("3.2.2-9", "limits in the CONNACK are sane", async (trial) => {
    const { properties } = (await trial.client()).connack
    expect(properties.receiveMaximum ?? 1).toBeGreaterThan(0)
    expect(properties.maximumPacketSize ?? 1).toBeGreaterThan(0)
    expect([0, 1, undefined]).toContain(properties.maximumQos)
    for (const available of [
      "retainAvailable",
      "wildcardAvailable",
      "subscriptionIdsAvailable",
      "sharedAvailable",
    ] as const) {
      expect([0, 1, undefined]).toContain(properties[available])
    }
  })

  v5("", "user properties in CONNECT are accepted", async (trial) => {
    await trial.client({
      properties: {
        user: [
          ["a", "1"],
          ["a", "2"],
          ["", ""],
        ],
      },
    })
  })

  v5("3.2.2-19 3.2.2-20", "a CONNACK keeps within the client's maximum packet size", async (trial) => {
    const client = await trial.client({ properties: { maximumPacketSize: 120 } })
    await client.ping()
  })
}
