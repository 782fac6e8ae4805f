import { isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { commandRig } from "../../../../../test/rig/command-rig.ts"
import { type CommandMapping, includes, said } from "./targets.ts"

const zigbee: CommandMapping = {
  ...{ name: "zigbee", device: "zigbee/{name}", command: "set", topic: "zigbee2mqtt/{name}/set", payload: "{{input}}" },
  ...{ qos: 1, retain: false, confirm: "state", stateTopic: "zigbee2mqtt/{name}", expect: undefined },
}
const tasmota: CommandMapping = {
  ...{
    name: "tasmota",
    device: "plugs/{rest}",
    command: undefined,
    topic: "cmnd/{rest}/{command}",
    payload: "{{text}}",
  },
  ...{ qos: 0, retain: false, confirm: "state", stateTopic: "stat/{rest}/RESULT" },
  expect: '{"{{command}}": {{input}}}',
}
const blind: CommandMapping = {
  ...{
    name: "blind",
    device: "ha/+",
    command: undefined,
    topic: "home/{command}/set",
    payload: "{{text/state}} {{id}}",
  },
  ...{ qos: 2, retain: true, confirm: "none", stateTopic: undefined, expect: undefined },
}
const kept: CommandMapping = { ...zigbee, name: "kept", device: "kept/{name}", retain: true }
const mappings = [zigbee, tasmota, blind, kept]
const lamp = { device: "zigbee/lamp", command: "set", input: { state: "ON", brightness: 100 }, source: "test" } as const
const textOf = (message: { readonly payload: Uint8Array } | undefined) => Buffer.from(message?.payload ?? []).toString()

test("a command of zigbee2mqtt is done when the state says what was wanted, and not before", async () => {
  await using rig = commandRig({ mappings })
  const sending = rig.commands.send(lamp)
  await rig.clock.run(0)
  const [message] = rig.devices.heard
  expect(message).toMatchObject({ topic: "zigbee2mqtt/lamp/set", qos: 1, retain: false })
  expect(message).not.toHaveProperty("responseTopic")
  expect(textOf(message)).toBe('{"state":"ON","brightness":100}')
  expect(await rig.say("zigbee2mqtt/lamp", { state: "OFF", brightness: 100 })).toBe(false)
  expect(await rig.say("zigbee2mqtt/other", lamp.input)).toBe(false)
  expect(await rig.say("zigbee2mqtt/lamp", { state: "ON", brightness: 100, linkquality: 80 })).toBe(true)
  expect(await sending).toMatchObject({ state: "done", output: { linkquality: 80 } })
  expect(await rig.say("zigbee2mqtt/lamp", { state: "ON", brightness: 100 })).toBe(false)
})

test("one state ends all commands that wanted it, also after a restart", async () => {
  await using rig = commandRig({ mappings })
  const { id } = await rig.commands.start(lamp)
  const { id: other } = await rig.commands.start({ ...lamp, input: { state: "OFF" } })
  rig.restart()
  const { id: again } = await rig.commands.start({ ...lamp, input: { state: "ON" } })
  await rig.say("zigbee2mqtt/lamp", { state: "ON", brightness: 100 })
  expect([id, other, again].map((one) => rig.commands.get(one)?.state)).toEqual(["done", "pending", "done"])
  await rig.clock.run(10_000)
  expect(rig.commands.get(other)?.state).toBe("in-doubt")
})

test("a command of Tasmota is a text, and its result names the command", async () => {
  await using rig = commandRig({ mappings })
  const sending = rig.commands.send({ device: "plugs/hall/1", command: "POWER", input: "ON", source: "test" })
  await rig.clock.run(0)
  expect([rig.devices.heard[0]?.topic, textOf(rig.devices.heard[0])]).toEqual(["cmnd/hall/1/POWER", "ON"])
  expect(await rig.say("stat/hall/1/RESULT", { POWER: "OFF" })).toBe(false)
  expect(await rig.say("stat/hall/1/RESULT", { POWER: "ON" })).toBe(true)
  expect((await sending).state).toBe("done")
})

test("where nothing confirms it a command is done when the broker has it", async () => {
  await using rig = commandRig({ mappings })
  const request = { device: "ha/light", command: "kitchen", input: { state: "ON" }, source: "test" }
  const release = rig.store.hold()
  const sending = rig.commands.send(request)
  await rig.clock.run(1)
  expect(rig.devices.heard).toEqual([])
  release()
  const { id, ...outcome } = await sending
  expect(outcome).toMatchObject({ state: "done", output: null, attempts: 1 })
  expect(rig.devices.heard[0]).toMatchObject({ topic: "home/kitchen/set", qos: 2, retain: true })
  expect(textOf(rig.devices.heard[0])).toBe(`ON ${id}`)
})

test("where nothing confirms it and nobody takes it a command has failed, unless the broker keeps it", async () => {
  const request = { device: "ha/light", command: "kitchen", input: { state: "ON" }, source: "test" }
  await using keeping = commandRig({ mappings })
  keeping.devices.become("gone")
  expect(await keeping.commands.send(request)).toMatchObject({ state: "done", attempts: 1 })
  const told = keeping.commands.send({ ...lamp, device: "kept/lamp" })
  await keeping.clock.run(10_000)
  expect(await told, "who came later may have it").toMatchObject({ state: "in-doubt" })
  await using rig = commandRig({ mappings: [{ ...blind, retain: false }] })
  rig.devices.become("gone")
  expect(await rig.commands.send(request)).toMatchObject({ state: "failed", error: { code: "command_unreachable" } })
  const waiting = rig.commands.send({ ...request, retries: 1 })
  rig.devices.become("connected")
  await rig.clock.run(5_000)
  expect(await waiting).toMatchObject({ state: "done", attempts: 1 })
})

test("a command that was handed over as the node died is in doubt", async () => {
  await using rig = commandRig({ mappings })
  const put = rig.store.put.bind(rig.store)
  rig.store.put = (records) => {
    // Only the first commit survives.
    rig.store.put = () => ({ seq: 0, durable: new Promise(() => {}) })
    return put(records)
  }
  const { id } = await rig.commands.start({ device: "ha/light", command: "a", input: { state: "ON" }, source: "test" })
  rig.store.put = put
  rig.restart()
  expect([rig.devices.heard.length, rig.commands.get(id)?.state]).toEqual([1, "pending"])
  await rig.clock.run(10_000)
  expect([rig.devices.heard.length, rig.commands.get(id)?.state]).toEqual([1, "in-doubt"])
})

test("an input that lacks what the payload needs is refused, and other devices keep their envelope", async () => {
  await using rig = commandRig({ mappings })
  const wrong = rig.commands.send({ device: "ha/light", command: "kitchen", source: "test" })
  const error = await wrong.catch((reason: unknown) => reason)
  expect(isFogError(error, "command_invalid") && error.message).toContain("its input has no member /state")
  await rig.commands.start({ ...lamp, command: "identify" })
  await rig.commands.start({ ...lamp, device: "zigbee" })
  expect(rig.devices.heard.map(({ topic }) => topic)).toEqual([
    "devices/zigbee/lamp/commands/identify",
    "devices/zigbee/commands/set",
  ])
})

test("a state has in it what is wanted: members of objects, everything else as a whole", () => {
  const cases = [
    [{ a: 1, b: 2 }, { a: 1 }, true],
    [{ a: { b: 1, c: 2 } }, { a: { c: 2 } }, true],
    [{ a: 1 }, { a: "1" }, false],
    [{ a: 1 }, { b: undefined as never }, false],
    [[1, 2], [1], false],
    [[1, { a: 2, b: 3 }], [1, { a: 2 }], true],
    [[], {}, false],
    [null, null, true],
    [null, { a: 1 }, false],
    ["ON", "ON", true],
  ] as const
  for (const [there, wanted, is] of cases) expect([there, wanted, includes(there, wanted)]).toEqual([there, wanted, is])
  expect(said(Buffer.from("ON"))).toBe("ON")
  expect(said(Buffer.from("1"))).toBe(1)
})
