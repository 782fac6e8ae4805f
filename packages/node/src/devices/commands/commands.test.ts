import { type Command, isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { commandRig } from "../../../../../test/rig/command-rig.ts"

const pump = { device: "hall/pump", command: "start", source: "token/a" } as const
const codeOf = (error: unknown): string | undefined => (isFogError(error) ? error.code : undefined)

test("a command leaves when it is durable, and its answer is its outcome", async () => {
  await using rig = commandRig()
  const release = rig.store.hold()
  const sending = rig.commands.send({ ...pump, input: { speed: 3 } })
  await rig.clock.run(5)
  expect([rig.devices.heard, rig.commands.list({ limit: 9 }).commands]).toEqual([[], []])
  release()
  await rig.clock.run(0)
  const [message] = rig.devices.heard
  const [envelope] = rig.devices.envelopes()
  const id = String(envelope?.id)
  expect(message).toMatchObject({
    ...{ topic: "devices/hall/pump/commands/start", qos: 2, retain: false },
    ...{ responseTopic: `devices/hall/pump/replies/${id}`, correlationData: Buffer.from(id) },
    expiresAt: rig.commands.get(id)?.deadline,
  })
  expect(envelope).toEqual({
    ...{ id, command: "start", input: { speed: 3 }, attempt: 1, reply: `devices/hall/pump/replies/${id}` },
    deadline: "2025-01-01T00:00:10.000Z",
  })
  expect(rig.commands.get(id)).toMatchObject({ state: "pending", attempts: 1 })
  await rig.say(`devices/hall/pump/replies/${id}`, { state: "accepted" })
  expect(rig.commands.get(id)).toMatchObject({ state: "pending", accepted: rig.clock.now() })
  await rig.clock.run(20)
  await rig.say(`devices/hall/pump/replies/${id}`, { state: "done", output: { rpm: 900 } })
  expect(await sending).toMatchObject({ id, state: "done", output: { rpm: 900 }, ended: rig.clock.now() })
  expect(rig.clock.pending).toBe(0)
  expect(rig.commands.get(id)).toEqual(await sending)
})

test("an answer may name its command in the payload, and be anything", async () => {
  await using rig = commandRig()
  const cases = [
    [
      { id: "ID", state: "done", output: 7 },
      { state: "done", output: 7 },
    ],
    [
      { id: "ID", state: "failed" },
      { state: "failed", error: { code: "command_rejected" } },
    ],
    [
      { id: "ID", state: "failed", error: "jammed" },
      { state: "failed", error: { message: "jammed" } },
    ],
    [
      { id: "ID", state: "failed", error: { code: "jam", message: "stuck" } },
      { state: "failed", error: { code: "jam", message: "stuck" } },
    ],
    [
      { id: "ID", state: "failed", error: { a: 1 } },
      { state: "failed", error: { message: '{"a":1}' } },
    ],
    [
      { id: "ID", state: "running" },
      { state: "done", output: { state: "running" } },
    ],
  ] as const
  for (const [said, outcome] of cases) {
    const sending = rig.commands.send(pump)
    await rig.clock.run(0)
    const { id } = rig.devices.envelopes().at(-1)!
    await rig.say("devices/hall/pump/replies", JSON.stringify(said).replace("ID", String(id)))
    expect(await sending).toMatchObject(outcome)
  }
  for (const [said, output] of [
    ["", null],
    ["ok", "ok"],
    ["[1", "[1"],
    ["[1]", [1]],
    ["4", 4],
  ] as const) {
    const sending = rig.commands.send(pump)
    await rig.clock.run(0)
    await rig.say(rig.devices.heard.at(-1)!.responseTopic!, said)
    expect(await sending).toMatchObject({ state: "done", output })
  }
})

test("an answer that is too long to keep still says that it was done", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(0)
  await rig.say(rig.devices.heard[0]!.responseTopic!, "x".repeat(70_000))
  expect(await sending).toMatchObject({ state: "done", output: "an answer of 70000 bytes, too long to keep" })
})

test("an answer that is too long to keep and says that it failed has failed", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(0)
  const said = JSON.stringify({ state: "failed", error: { code: "E7", message: "x".repeat(70_000) } })
  await rig.say(rig.devices.heard[0]!.responseTopic!, said)
  const error = { code: "E7", message: `an answer of ${said.length} bytes, too long to keep` }
  expect(await sending).toMatchObject({ state: "failed", error })
})

test("nobody else answers for a device, and the first answer counts", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(0)
  const { id } = rig.devices.envelopes()[0]!
  expect(await rig.say(`devices/other/replies/${id}`, "mine")).toBe(false)
  expect(await rig.say("devices/other/replies", { id, state: "done" })).toBe(false)
  expect(await rig.say("devices/hall/pump/replies/0000", "what")).toBe(false)
  expect(await rig.say("devices/hall/pump/replies", "no id")).toBe(false)
  // Both in one turn.
  const once = [{ state: "done", output: 1 }, { state: "failed" }].map((said) =>
    rig.say(`devices/hall/pump/replies/${id}`, said),
  )
  expect(await Promise.all(once)).toEqual([true, false])
  expect(await rig.say(`devices/hall/pump/replies/${id}`, { state: "failed" })).toBe(false)
  expect(await sending).toMatchObject({ state: "done", output: 1 })
  rig.restart()
  expect(rig.commands.get(String(id))).toMatchObject({ state: "done", output: 1 })
})

test("topics of single replies are not worth remembering, others are", async () => {
  await using rig = commandRig()
  const topics = ["devices/a/replies/0a", "devices/a/replies", "devices/a/temperature", "devices/a/commands/go"]
  expect(topics.map((topic) => rig.commands.replies.isBrief?.(topic))).toEqual([true, false, false, false])
})

test("where nobody is there to take it a command has failed, and nothing was sent", async () => {
  await using rig = commandRig()
  rig.devices.become("gone")
  const outcome = await rig.commands.send(pump)
  expect(outcome).toMatchObject({ state: "failed", attempts: 0, error: { code: "command_unreachable" } })
  rig.devices.become("connected")
  await rig.clock.run(20_000)
  expect(rig.devices.heard).toEqual([])
})

test("a command for a sleeping device that does not wake in time has failed for certain", async () => {
  await using rig = commandRig()
  rig.devices.become("asleep")
  const sending = rig.commands.send({ ...pump, retries: 3 })
  await rig.clock.run(10_000)
  expect(await sending).toMatchObject({ state: "failed", attempts: 1, error: { code: "command_expired" } })
  rig.devices.become("connected")
  expect(rig.devices.heard).toEqual([])
})

test("a sleeping device that wakes in time gets it once and answers", async () => {
  await using rig = commandRig()
  rig.devices.become("asleep")
  const sending = rig.commands.send({ ...pump, retries: 3 })
  await rig.clock.run(8_000)
  rig.devices.become("connected")
  expect(rig.devices.heard).toHaveLength(1)
  await rig.say(rig.devices.heard[0]!.responseTopic!, "")
  expect(await sending).toMatchObject({ state: "done", attempts: 1 })
})

test("silence is in doubt, and a late answer still says what became of it", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(9_999)
  const { responseTopic = "" } = rig.devices.heard[0]!
  await rig.clock.run(1)
  const doubt = await sending
  expect(doubt).toMatchObject({ state: "in-doubt", error: { code: "command_in_doubt" }, attempts: 1 })
  expect(await rig.say(responseTopic, { state: "accepted" })).toBe(false)
  rig.restart()
  const late = [rig.say(responseTopic, { state: "done", output: 4 }), rig.say(responseTopic, { state: "failed" })]
  expect(await Promise.all(late)).toEqual([true, false])
  expect(rig.commands.get(doubt.id)).toMatchObject({ state: "done", output: 4, late: true })
  expect(rig.commands.get(doubt.id)).not.toHaveProperty("error")
  expect(await rig.say(responseTopic, { state: "failed" })).toBe(false)
})

test("an answer that comes while the doubt is on its way to the disk is not lost", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(9_000)
  const release = rig.store.hold()
  await rig.clock.run(1_000)
  const saying = rig.say(rig.devices.heard[0]!.responseTopic!, { output: 1 })
  release()
  expect(await saying).toBe(true)
  expect((await sending).state).toBe("in-doubt")
  expect(rig.commands.get((await sending).id)).toMatchObject({ state: "done", late: true })
})

test("an acceptance that is on its way to the disk at the deadline does not come after the outcome", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(9_000)
  const release = rig.store.hold()
  // The turn that has the acceptance waits for the log, so that its record comes later.
  const slow = {
    put: (records: Parameters<typeof rig.store.put>[0]) => {
      const durable = new Promise<void>((resolve) => rig.clock.after(2_000, () => resolve())).then(
        () => rig.store.put(records).durable,
      )
      return { seq: 0, durable }
    },
  }
  const saying = rig.say(rig.devices.heard[0]!.responseTopic!, { state: "accepted" }, slow)
  await rig.clock.run(1_500)
  release()
  await rig.clock.run(1_000)
  await saying
  const { id, state, accepted } = await sending
  expect([state, accepted]).toEqual(["in-doubt", rig.clock.now() - 1_500 * 1_000 - 1_000 * 1_000])
  rig.restart()
  expect(rig.commands.get(id)).toMatchObject({ state: "in-doubt" })
})

test("it is sent again with the same id while the device is silent, and not once it has accepted", async () => {
  await using rig = commandRig()
  const silent = rig.commands.send({ ...pump, retries: 3, deadlineMs: 4_000 })
  await rig.clock.run(4_000)
  expect(await silent).toMatchObject({ state: "in-doubt", attempts: 4 })
  expect(rig.devices.envelopes().map(({ id, attempt }) => [id, attempt])).toEqual(
    [1, 2, 3, 4].map((attempt) => [rig.devices.envelopes()[0]?.id, attempt]),
  )
  rig.devices.heard.length = 0
  const accepting = rig.commands.send({ ...pump, retries: 3, deadlineMs: 4_000 })
  await rig.clock.run(1_500)
  await rig.say(rig.devices.heard[0]!.responseTopic!, { state: "accepted" })
  await rig.clock.run(2_500)
  expect(await accepting).toMatchObject({ state: "in-doubt", attempts: 2 })
  expect(rig.devices.heard).toHaveLength(2)
})

test("with retries it is tried until somebody is there", async () => {
  await using rig = commandRig()
  rig.devices.become("gone")
  const sending = rig.commands.send({ ...pump, retries: 3, deadlineMs: 4_000 })
  await rig.clock.run(1_500)
  rig.devices.become("connected")
  await rig.clock.run(1_000)
  expect(rig.devices.envelopes().map(({ attempt }) => attempt)).toEqual([1])
  await rig.say(rig.devices.heard[0]!.responseTopic!, "")
  expect(await sending).toMatchObject({ state: "done", attempts: 1 })
  rig.devices.become("gone")
  const hopeless = rig.commands.send({ ...pump, retries: 3, deadlineMs: 4_000 })
  await rig.clock.run(4_000)
  expect(await hopeless).toMatchObject({ state: "failed", attempts: 0, error: { code: "command_expired" } })
})

test("a wall clock that is set back makes no more attempts and no false certainty", async () => {
  await using rig = commandRig()
  const silent = rig.commands.start({ ...pump, retries: 1, deadlineMs: 4_000 })
  await rig.clock.run(3_000)
  expect(rig.devices.heard).toHaveLength(2)
  rig.clock.jump(rig.clock.now() - 3_600_000_000)
  rig.restart()
  await rig.clock.run(2 * 3_600_000)
  expect(rig.devices.heard).toHaveLength(2)
  expect(rig.commands.get((await silent).id)).toMatchObject({ state: "in-doubt" })
  rig.devices.become("asleep")
  const asleep = rig.commands.send(pump)
  await rig.clock.run(5_000)
  rig.clock.jump(rig.clock.now() - 3_600_000_000)
  await rig.clock.run(5_000)
  expect(await asleep).toMatchObject({ state: "in-doubt" })
})

test("the same key of the same source is the same command, also in another life of the node", async () => {
  await using rig = commandRig()
  const keyed = { ...pump, idempotencyKey: "k" }
  const release = rig.store.hold()
  const both = [rig.commands.send(keyed), rig.commands.send(keyed)]
  const starting = rig.commands.start(keyed)
  release()
  await rig.clock.run(0)
  expect(rig.devices.heard).toHaveLength(1)
  const error = await rig.commands.send({ ...keyed, input: 2 }).catch((reason: unknown) => reason)
  expect(codeOf(error)).toBe("idempotency_conflict")
  await rig.say(rig.devices.heard[0]!.responseTopic!, "yes")
  const [one, other] = await Promise.all(both)
  expect([one, other, await rig.commands.send(keyed)]).toEqual([one, one, one])
  expect((await starting).id).toBe(one!.id)
  rig.restart()
  expect(await rig.commands.send(keyed)).toEqual(one)
  expect(rig.devices.heard).toHaveLength(1)
  const others = [{ source: "token/b" }, { device: "hall/fan" }, { idempotencyKey: "l" }]
  for (const part of others) expect((await rig.commands.start({ ...keyed, ...part })).id).not.toBe(one!.id)
  expect(rig.devices.heard).toHaveLength(4)
})

test("what the log refuses was never sent, and its key is free", async () => {
  await using rig = commandRig()
  const keyed = { ...pump, idempotencyKey: "k" }
  const fail = rig.store.hold()
  const refused = [rig.commands.send(keyed), rig.commands.start(keyed)].map((one) =>
    one.catch((error: unknown) => error),
  )
  fail(new Error("the disk failed"))
  expect(await Promise.all(refused)).toEqual([
    new Error("the disk failed"),
    expect.objectContaining({ code: "store_closed" }),
  ])
  expect([rig.devices.heard, rig.clock.pending, rig.commands.list({ limit: 9 }).commands]).toEqual([[], 0, []])
  const sending = rig.commands.send(keyed)
  await rig.clock.run(0)
  await rig.say(rig.devices.heard[0]!.responseTopic!, "")
  expect((await sending).state).toBe("done")
})

test("an answer whose commit was refused leaves the command open", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(0)
  const { responseTopic = "" } = rig.devices.heard[0]!
  const refused = { put: () => ({ seq: 0, durable: Promise.reject(new Error("full")) }) }
  await rig.say(responseTopic, { state: "accepted" }, refused)
  await rig.say(responseTopic, { state: "failed" }, refused)
  await rig.say(responseTopic, { state: "done" })
  expect(await sending).toMatchObject({ state: "done" })
  expect(await sending).not.toHaveProperty("accepted")
})

test("an outcome that the log does not take is no outcome until it does", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  let isOver = false
  void sending.then(() => {
    isOver = true
  })
  await rig.clock.run(9_000)
  const fail = rig.store.hold()
  await rig.clock.run(1_000)
  fail(new Error("full"))
  await rig.clock.run(500)
  expect(isOver).toBe(false)
  await rig.clock.run(500)
  expect(await sending).toMatchObject({ state: "in-doubt" })
  expect(rig.logger.messages("warn")).toEqual(["The outcome of a command is not stored yet"])
})

test("after a crash what has no outcome waits for the rest of its time", async () => {
  await using rig = commandRig()
  const terms = { ...pump, deadlineMs: 4_000, retries: 1 }
  const [answered, silent, over] = await Promise.all([1, 2, 3].map(() => rig.commands.start(terms)))
  await rig.clock.run(1_000)
  rig.restart()
  expect(rig.devices.heard).toHaveLength(3)
  await rig.say(`devices/hall/pump/replies/${answered!.id}`, "yes")
  expect(rig.commands.get(answered!.id)).toMatchObject({ state: "done" })
  await rig.clock.run(1_500)
  expect(rig.devices.heard).toHaveLength(5)
  await rig.clock.run(1_499)
  expect(rig.commands.get(silent!.id)).toMatchObject({ state: "pending", attempts: 2 })
  const restarted = rig.clock.now()
  rig.restart()
  await rig.clock.run(1)
  expect(rig.commands.get(silent!.id)).toMatchObject({ state: "in-doubt", attempts: 2, ended: restarted + 1_000 })
  expect(rig.commands.get(over!.id)).toMatchObject({ state: "in-doubt" })
})

test("what waits is bounded, for each device and in all", async () => {
  await using rig = commandRig({ limits: { maxPending: 3, maxPendingPerDevice: 2 } })
  const first = await rig.commands.start(pump)
  await rig.commands.start(pump)
  const refusal = (device: string) => rig.commands.start({ ...pump, device }).catch((error: unknown) => codeOf(error))
  expect(await refusal(pump.device)).toBe("commands_busy")
  await rig.commands.start({ ...pump, device: "fan" })
  expect(await refusal("lamp")).toBe("commands_busy")
  await rig.say(`devices/hall/pump/replies/${first.id}`, "")
  expect((await rig.commands.start({ ...pump, device: "lamp" })).state).toBe("pending")
})

test("the oldest are forgotten, but none that has not ended", async () => {
  await using rig = commandRig({ limits: { maxCommands: 3, windowMs: 3_600_000 } })
  const started: Command[] = []
  for (let at = 0; at < 5; at++) {
    started.push(await rig.commands.start(pump))
    if (at !== 1) await rig.say(`devices/hall/pump/replies/${started[at]!.id}`, "")
    await rig.clock.run(1)
  }
  const known = (): boolean[] => started.map(({ id }) => rig.commands.get(id) !== undefined)
  expect(known()).toEqual([false, true, false, true, true])
  await rig.clock.run(3_600_001)
  await rig.commands.start(pump)
  expect(known()).toEqual([false, false, false, false, false])
})

test("commands are listed newest first in pages, by device and state", async () => {
  await using rig = commandRig()
  const ids: string[] = []
  for (let at = 0; at < 5; at++) {
    ids.unshift((await rig.commands.start({ ...pump, device: at % 2 === 0 ? "hall/pump" : "fan" })).id)
    await rig.clock.run(1)
  }
  await rig.say(`devices/hall/pump/replies/${ids[2]}`, "")
  const pages: string[][] = []
  let after: string | undefined
  do {
    const page = rig.commands.list({ limit: 2, after })
    pages.push(page.commands.map(({ id }) => id))
    after = page.next
  } while (after !== undefined)
  expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)])
  const idsOf = (filter: object) => rig.commands.list({ limit: 9, ...filter }).commands.map(({ id }) => id)
  expect(idsOf({ devices: ["hall/#"] })).toEqual([ids[0], ids[2], ids[4]])
  expect(idsOf({ state: "pending" })).toEqual([ids[0], ids[1], ids[3], ids[4]])
  expect(idsOf({ state: "done" })).toEqual([ids[2]])
  expect(rig.commands.list({ limit: 9, after: "forgotten" })).toEqual({ commands: [], next: undefined })
})

test("what cannot be a command is refused with what is wrong", async () => {
  await using rig = commandRig()
  const circle: { [name: string]: unknown } = {}
  circle.self = circle
  const wrong = [
    [{ device: "" }, /device's name/],
    [{ device: "a/+" }, /no topic/],
    [{ device: "$SYS" }, /no topic/],
    [{ device: "a/commands/b" }, /level commands/],
    [{ command: "a/b" }, /one level/],
    [{ command: "x".repeat(129) }, /longer than 128/],
    [{ input: circle as never }, /not JSON/],
    [{ input: "x".repeat(70_000) }, /larger than 65536/],
    [{ deadlineMs: 0 }, /deadline/],
    [{ deadlineMs: 1.5 }, /deadline/],
    [{ retries: 11 }, /retries/],
    [{ idempotencyKey: "" }, /key/],
  ] as const
  for (const [part, message] of wrong) {
    const error = await rig.commands.send({ ...pump, ...part }).catch((reason: unknown) => reason)
    expect([codeOf(error), (error as Error).message]).toEqual(["command_invalid", expect.stringMatching(message)])
  }
  expect(rig.devices.heard).toEqual([])
})

test("closing ends what waits as it is; the next life goes on with it", async () => {
  await using rig = commandRig()
  const sending = rig.commands.send(pump)
  await rig.clock.run(0)
  rig.restart()
  const { id, state } = await sending
  expect(state).toBe("pending")
  expect(rig.commands.ended(id)).toBeDefined()
  await rig.say(`devices/hall/pump/replies/${id}`, 1)
  expect(await rig.commands.ended(id)).toMatchObject({ state: "done", output: 1 })
  expect(rig.commands.ended("unknown")).toBeUndefined()
})

test("an unreadable record is said and left out", async () => {
  await using rig = commandRig()
  rig.store.put([{ kind: "effect", key: "command/x", value: Buffer.from("{") }])
  rig.restart()
  expect(rig.logger.messages("error")).toEqual(["A command's record is unreadable and is left out"])
  expect(rig.commands.list({ limit: 9 }).commands).toEqual([])
})
