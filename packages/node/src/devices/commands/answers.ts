/**
 * What devices say of commands: replies on the node's own topics, and states of devices that have a language of their
 * own. What it makes of a message is in the commit that the message's own acknowledgement waits for. (C4 in commands.ts)
 */
import type { Clock, Command } from "@brume/core"
import type { Message } from "../mqtt/message.ts"
import type { LocalSubscriber, LocalTaker, TakenMessage } from "../mqtt/own-messages.ts"
import type { Ledger } from "./ledger.ts"
import type { OpenCommand } from "./open-command.ts"
import { outcomeOf } from "./outcomes.ts"
import { parseReply, type Reply } from "./reply.ts"
import { includes, said, type Targets } from "./targets.ts"
import { parseReplyTopic } from "./terms.ts"

export interface AnswersOptions {
  readonly clock: Clock
  readonly ledger: Ledger
  readonly targets: Targets
  readonly open: ReadonlyMap<string, OpenCommand>
  /** Its outcome is durable. */
  readonly settle: (open: OpenCommand, outcome: Command) => void
  /** Its deadline is over. */
  readonly expire: (open: OpenCommand) => void
  /** A command in doubt has an outcome after all. */
  readonly onLate: (outcome: Command) => void
}

export class Answers implements LocalSubscriber {
  readonly version = 0
  readonly #options: AnswersOptions
  /** Commands in doubt whose late outcome is on its way to the disk, as they are until then. */
  readonly #late = new Map<string, Command>()
  /** Commands that wait for a state, by its topic. */
  readonly #expecting = new Map<string, Set<OpenCommand>>()

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  on(topic: string): LocalTaker | undefined {
    if (parseReplyTopic(topic) !== undefined) return (message) => this.#take(message)
    return this.#options.targets.hasState(topic) ? (message) => this.#takeState(message) : undefined
  }

  /** The topic of one command's replies. */
  isBrief(topic: string): boolean {
    return parseReplyTopic(topic)?.id !== undefined
  }

  /** One that is in doubt, while its late outcome is not durable. */
  late(id: string): Command | undefined {
    return this.#late.get(id)
  }

  /** From here on it waits for what its target says. */
  expect(open: OpenCommand): void {
    const { target } = open
    if (target.confirm !== "state") return
    const { stateTopic } = target
    const others = this.#expecting.get(stateTopic)
    if (others === undefined) this.#expecting.set(stateTopic, new Set([open]))
    else others.add(open)
  }

  forget(open: OpenCommand): void {
    const { target } = open
    if (target.confirm !== "state") return
    const others = this.#expecting.get(target.stateTopic)
    others?.delete(open)
    if (others?.size === 0) this.#expecting.delete(target.stateTopic)
  }

  #take({ topic, payload }: Message): TakenMessage | undefined {
    const place = parseReplyTopic(topic)
    if (place === undefined) return undefined
    const reply = parseReply(payload)
    const id = place.id ?? reply.id
    if (id === undefined) return undefined
    const open = this.#options.open.get(id)
    if (open === undefined) return this.#takeLate(id, place.device, reply)
    if (open.command.device !== place.device || open.stage === "new") return undefined
    // Its outcome is on its way to the disk: in doubt, perhaps, which an answer still changes.
    if (open.stage !== "waiting") return this.#takeLate(id, place.device, reply)
    return reply.state === "accepted" ? this.#takeAcceptance(open) : this.#takeOutcome(open, reply)
  }

  #takeState({ topic, payload }: Message): TakenMessage | undefined {
    const waiting = [...(this.#expecting.get(topic) ?? [])].filter(({ stage }) => stage === "waiting")
    if (waiting.length === 0) return undefined
    const state = said(payload)
    const reply = { state: "done", id: undefined, output: state, error: undefined } as const
    const taken = waiting
      .filter(({ target }) => target.confirm === "state" && includes(state, target.expected))
      .map((open) => this.#takeOutcome(open, reply))
    if (taken.length === 0) return undefined
    return {
      records: taken.flatMap(({ records }) => records),
      end: (error) => {
        for (const one of taken) one.end(error)
      },
    }
  }

  #takeAcceptance(open: OpenCommand): TakenMessage | undefined {
    if (open.command.accepted !== undefined) return undefined
    open.command = { ...open.command, accepted: this.#options.clock.now() }
    open.isBeingNoted = true
    return {
      records: [this.#options.ledger.record(open.command)],
      end: (error) => {
        open.isBeingNoted = false
        if (error !== undefined) {
          const { accepted: _never, ...before } = open.command
          open.command = before
        }
        this.#expireIfDue(open)
      },
    }
  }

  #takeOutcome(open: OpenCommand, reply: Reply): TakenMessage {
    const { clock, ledger, settle } = this.#options
    const outcome = outcomeOf(open.command, reply, clock.now())
    open.stage = "ending"
    return {
      records: [ledger.record(outcome)],
      end: (error) => {
        if (error === undefined) {
          settle(open, outcome)
          return
        }
        open.stage = "waiting"
        this.#expireIfDue(open)
      },
    }
  }

  /** Its timer may have come while a turn was open. */
  #expireIfDue(open: OpenCommand): void {
    if (open.command.deadline <= this.#options.clock.now()) this.#options.expire(open)
  }

  #takeLate(id: string, device: string, reply: Reply): TakenMessage | undefined {
    const { clock, ledger, onLate } = this.#options
    if (reply.state === "accepted" || this.#late.has(id)) return undefined
    const command = ledger.get(id)
    if (command === undefined || command.device !== device || command.state !== "in-doubt") return undefined
    this.#late.set(id, command)
    const { error: _doubt, ...rest } = command
    const outcome: Command = { ...outcomeOf(rest, reply, clock.now()), late: true }
    return {
      records: [ledger.record(outcome)],
      end: (error) => {
        this.#late.delete(id)
        if (error === undefined) onLate(outcome)
      },
    }
  }
}
