/**
 * Random lives of commands: sends, answers, duplicates, deadlines, refused commits and crashes in any order. Whatever
 * happens, a command leaves at most once more than its retries, nobody ever hears two different outcomes of it, a key is
 * one command, and every command ends.
 */
import type { Command } from "@brume/core"
import { SeededRandom } from "@brume/testkit"
import { expect, test } from "vitest"
import { type CommandRig, commandRig, type Presence } from "../../../../../test/rig/command-rig.ts"

const devices = ["a", "hall/b"] as const
const presences: readonly Presence[] = ["connected", "connected", "asleep", "gone"]

/** What a run has seen. */
class Witness {
  readonly #rig: CommandRig
  readonly started = new Map<string, Command>()
  /** Ids by source, device and key. */
  readonly byKey = new Map<string, string>()
  readonly #outcomes = new Map<string, Command>()
  /** Ids whose device answered, with what it said first. */
  readonly answered = new Map<string, string>()

  constructor(rig: CommandRig) {
    this.#rig = rig
  }

  /** Somebody is told of a command. */
  tell(command: Command): void {
    const before = this.#outcomes.get(command.id)
    if (command.state === "pending") {
      expect(before, "an outcome is never taken back").toBeUndefined()
      return
    }
    if (before !== undefined && before.state !== command.state) {
      expect([before.state, command.late], "only doubt changes, by a late answer").toEqual(["in-doubt", true])
      expect(["done", "failed"]).toContain(command.state)
    }
    this.#outcomes.set(command.id, command)
  }

  judge(seed: number): void {
    for (const command of this.started.values()) {
      const { id, retries } = command
      const told = this.#rig.commands.get(id)
      expect(told, `seed ${seed}`).toBeDefined()
      this.tell(told!)
      expect(told?.state, `seed ${seed}: every command ends`).not.toBe("pending")
      const left = this.#rig.devices.envelopes().filter((envelope) => envelope.id === id)
      expect(left.length, `seed ${seed}: times that it left`).toBeLessThanOrEqual(1 + retries)
      if (told?.state === "failed" && !this.answered.has(id)) expect([told, left], `seed ${seed}`).toEqual([told, []])
      const said = this.answered.get(id)
      if (said !== undefined)
        expect([told?.state, told?.output], `seed ${seed}`).toEqual(
          said === "failed" ? ["failed", null] : ["done", said],
        )
    }
    // Whatever left was told to be sent.
    const known = new Set(this.started.keys())
    for (const { id } of this.#rig.devices.envelopes()) expect(known).toContain(id)
  }
}

async function live(seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  await using rig = commandRig({ random: random.fork() })
  const witness = new Witness(rig)
  let release: ((error?: Error) => void) | undefined
  const ending: Promise<unknown>[] = []
  const send = (): void => {
    const key = random.chance(0.4) ? `k${random.below(4)}` : undefined
    const request = {
      ...{ device: random.pick(devices), command: "go", source: "test", idempotencyKey: key },
      ...{ deadlineMs: 100 + random.below(5_000), retries: random.below(4) },
    }
    const starting = rig.commands.start(request).then(
      (command) => {
        witness.started.set(command.id, command)
        if (key !== undefined) {
          const name = `${request.device} ${key}`
          expect(witness.byKey.get(name) ?? command.id, "a key is one command").toBe(command.id)
          witness.byKey.set(name, command.id)
        }
        return rig.commands.ended(command.id)?.then((told) => witness.tell(told))
      },
      // Refused, which is no promise.
      () => {},
    )
    ending.push(starting)
  }
  const answer = (): void => {
    if (rig.devices.heard.length === 0) return
    const { responseTopic = "" } = random.pick(rig.devices.heard)
    const id = responseTopic.split("/").at(-1) ?? ""
    const said = random.pick(["accepted", "failed", "1", "2"])
    const body = said === "failed" || said === "accepted" ? { state: said } : { state: "done", output: said }
    const saying = rig.say(responseTopic, body).then((isStored) => {
      if (!isStored || said === "accepted") return
      expect(witness.answered.has(id), "one answer counts").toBe(false)
      witness.answered.set(id, said)
    })
    ending.push(saying)
  }
  const go = (error?: Error): void => {
    release?.(error)
    release = undefined
  }
  const steps: readonly (readonly [weight: number, step: () => void | Promise<void>])[] = [
    [30, send],
    [30, answer],
    [20, () => rig.clock.run(random.below(800))],
    [6, () => rig.devices.become(random.pick(presences))],
    [
      6,
      () => {
        release ??= rig.store.hold()
      },
    ],
    [6, () => go()],
    [3, () => go(new Error("the disk failed"))],
    // What was not durable is gone with the node.
    [
      4,
      () => {
        go(new Error("killed"))
        rig.restart()
      },
    ],
    [
      2,
      async () => {
        go(new Error("killed"))
        rig.restart()
        await rig.clock.run(random.below(3_000))
      },
    ],
  ]
  const bag = steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step))
  for (let at = 0; at < 60; at++) {
    await random.pick(bag)()
    if (random.chance(0.7)) await rig.clock.run(0)
  }
  go()
  rig.devices.become(random.pick(presences))
  await rig.clock.run(20_000)
  rig.restart()
  await rig.clock.run(20_000)
  await Promise.all(ending)
  witness.judge(seed)
}

test("commands keep their promises through random lives", async () => {
  const rounds = Number(process.env["BRUME_SOAK_ROUNDS"] ?? 150)
  for (let seed = 1; seed <= rounds; seed++) await live(seed)
}, 600_000)
