/**
 * Commands to devices: durable before they leave, once for each key, with an outcome that is durable before anybody hears.
 *
 * - C1 A command's record, and what a session needs to keep it, are one commit; it leaves after that. Whoever has a commit
 *   of its own puts it there: `prepare`.
 * - C2 The same source, device and key is the same command: its id follows from them, and the log knows the id (L2 in
 *   ledger.ts). A second request sends nothing and gets the outcome of the first.
 * - C3 It is sent once, and again only where its maker asked for retries: the same id, while the device says nothing.
 * - C4 An answer's outcome is in the commit that the answer's own acknowledgement waits for. The first one counts.
 * - C5 `failed` is said only where it is certain: the device said so, nobody took it, or it never left and has expired.
 *   Everything else that has no answer at its deadline is `in-doubt`; a later answer still says what became of it.
 * - C6 After a crash, what has no outcome waits for the rest of its time, as what was sent may be answered yet.
 * - C7 What waits is bounded: in all, and for each device.
 * - C8 Where a mapping says that nothing confirms a command, it is done when the broker has it: durable and handed over.
 */
import {
  type Clock,
  type Closeable,
  type Command,
  type CommandFilter,
  type CommandRequest,
  type Commands,
  FogError,
  type KeyedRecord,
  type Logger,
  type Metrics,
  matchesFilter,
  type PreparedCommand,
  type Random,
  type Store,
} from "@brume/core"
import type { LocalSubscriber, OwnMessages } from "../mqtt/own-messages.ts"
import { excerpt } from "../payload/mistakes.ts"
import { Answers } from "./answers.ts"
import { defaultLedgerLimits, idOf, Ledger, type LedgerLimits } from "./ledger.ts"
import { OpenCommand } from "./open-command.ts"
import { conflict, expired, inDoubt, unreachable } from "./outcomes.ts"
import { type CommandMapping, type Target, Targets } from "./targets.ts"
import { type Terms, termsOf } from "./terms.ts"

export interface CommandsOptions {
  readonly store: Pick<Store, "put" | "get" | "entries">
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  /** Devices that have a language of their own; the first that fits is in force. */
  readonly mappings?: readonly CommandMapping[]
  readonly limits?: Partial<CommandLimits>
}

export interface CommandLimits extends LedgerLimits {
  /** Commands without an outcome. @default 10000 */
  readonly maxPending: number
  /** The same of one device. @default 1000 */
  readonly maxPendingPerDevice: number
}

export interface OpenedCommands extends Commands, Closeable {
  /** Where answers come in. */
  readonly replies: LocalSubscriber
  /** From here on commands leave; what the log has without an outcome goes on. */
  begin(own: OwnMessages): void
}

const defaultLimits: CommandLimits = { ...defaultLedgerLimits, maxPending: 10_000, maxPendingPerDevice: 1_000 }
/** Commands that are looked at for one page of a list. */
const maxExamined = 2_000
/** How soon an outcome that the log did not take is tried again. ms. */
const outcomeRetryMs = 1_000
/** By how much a timer may run ahead of the wall clock. ms. */
const mostEarlyMs = 50

export function openCommands(options: CommandsOptions): OpenedCommands {
  return new CommandRoom(options)
}

class CommandRoom implements OpenedCommands {
  readonly #options: CommandsOptions
  readonly #limits: CommandLimits
  readonly #ledger: Ledger
  readonly #targets: Targets
  readonly #answers: Answers
  readonly #open = new Map<string, OpenCommand>()
  readonly #perDevice = new Map<string, number>()
  readonly #count: (command: Command) => void
  #own: OwnMessages | undefined

  constructor(options: CommandsOptions) {
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#ledger = new Ledger({ ...options, limits: this.#limits })
    this.#targets = new Targets(options.mappings ?? [])
    this.#answers = new Answers({
      ...{ clock: options.clock, ledger: this.#ledger, targets: this.#targets, open: this.#open },
      settle: (open, outcome) => this.#settle(open, outcome),
      expire: (open) => this.#expire(open),
      onLate: (outcome) => this.#count(outcome),
    })
    const { metrics } = options
    const ended = metrics.counter("brume_devices_commands_total", "Commands that have ended", ["state"])
    this.#count = ({ state }) => ended.add(1, { state })
    metrics.gauge("brume_devices_commands_pending", "Commands without an outcome", () => this.#open.size)
    // C6
    for (const id of this.#ledger.ids()) {
      const command = this.#ledger.get(id)
      if (command?.state === "pending") this.#track(new OpenCommand(command, this.#targetOf(command), true))
    }
  }

  get replies(): LocalSubscriber {
    return this.#answers
  }

  begin(own: OwnMessages): void {
    this.#own = own
    for (const open of this.#open.values()) this.#wait(open)
  }

  prepare(request: CommandRequest): PreparedCommand {
    const terms = termsOf(request)
    const { key } = terms
    const id = key === undefined ? Buffer.from(this.#options.random.bytes(16)).toString("hex") : idOf({ ...terms, key })
    const known = key === undefined ? undefined : (this.#open.get(id)?.command ?? this.#ledger.get(id))
    // C2
    if (known !== undefined) return this.#again(known, terms)
    this.#checkRoom(terms.device)
    return this.#prepareNew(id, terms)
  }

  async send(request: CommandRequest): Promise<Command> {
    const prepared = this.prepare(request)
    await this.#commit(prepared)
    return await prepared.ended
  }

  async start(request: CommandRequest): Promise<Command> {
    const prepared = this.prepare(request)
    await this.#commit(prepared)
    return this.get(prepared.command.id) ?? prepared.command
  }

  get(id: string): Command | undefined {
    const open = this.#open.get(id)
    if (open === undefined) return this.#answers.late(id) ?? this.#ledger.get(id)
    return open.stage === "new" ? undefined : open.command
  }

  ended(id: string): Promise<Command> | undefined {
    const open = this.#open.get(id)
    if (open !== undefined) return open.ended
    const command = this.get(id)
    return command === undefined ? undefined : Promise.resolve(command)
  }

  list({ devices, state, limit, after }: CommandFilter) {
    const ids = this.#ledger.ids()
    const commands: Command[] = []
    // One that is forgotten meanwhile was among the oldest: nothing comes after it.
    const before = after === undefined ? -1 : ids.indexOf(after)
    let at = after !== undefined && before === -1 ? ids.length : before + 1
    for (let examined = 0; at < ids.length && examined < maxExamined && commands.length < limit; at++) {
      // Cheap for who asks for what has not ended.
      if (state === "pending" && !this.#open.has(ids[at]!)) continue
      examined++
      const command = this.get(ids[at]!)
      if (command === undefined || (state !== undefined && command.state !== state)) continue
      if (devices?.some((filter) => matchesFilter(filter, command.device)) ?? true) commands.push(command)
    }
    return { commands, next: at > 0 && at < ids.length ? ids[at - 1] : undefined }
  }

  async close(): Promise<void> {
    for (const open of this.#open.values()) open.end(open.command)
    this.#open.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #again(known: Command, { command, input }: Terms): PreparedCommand {
    if (known.command !== command || JSON.stringify(known.input) !== JSON.stringify(input)) throw conflict(known)
    const ended = this.ended(known.id) ?? Promise.resolve(known)
    return { command: known, records: [], ended, durable: () => {}, refused: () => {} }
  }

  /** As it was sent, or as the node's own where the configuration does not fit any more. */
  #targetOf(command: Command): Target {
    try {
      return this.#targets.of(command)
    } catch {
      return new Targets([]).of(command)
    }
  }

  #checkRoom(device: string): void {
    const { maxPending, maxPendingPerDevice } = this.#limits
    const ofDevice = this.#perDevice.get(device) ?? 0
    if (this.#open.size < maxPending && ofDevice < maxPendingPerDevice) return
    const isDevice = ofDevice >= maxPendingPerDevice
    throw new FogError("commands_busy", {
      message: isDevice
        ? `${ofDevice} commands of ${excerpt(device, 120)} wait for an answer, which is the limit for a device`
        : `${this.#open.size} commands wait for answers, which is the limit`,
      hint: "Send again when some have ended; shorter deadlines end them sooner.",
    })
  }

  /** C1 */
  #prepareNew(id: string, { device, command: name, input, source, deadlineMs, retries }: Terms): PreparedCommand {
    const created = this.#options.clock.now()
    const deadline = created + deadlineMs * 1_000
    const made = { id, device, command: name, input, source, state: "pending", created, deadline, retries } as const
    const target = this.#targets.of(made)
    const sent = target.messageOf(1)
    const message = this.#own?.plan(sent)
    // What is retained reaches who comes later.
    const isReaching = message !== undefined && (message.isReaching || sent.retain)
    const isHopeless = !isReaching && retries === 0
    const command: Command = isHopeless
      ? { ...made, attempts: 0, state: "failed", ended: created, error: unreachable(made) }
      : { ...made, attempts: isReaching ? 1 : 0 }
    const open = new OpenCommand(command, target, false)
    if (message !== undefined) open.messages.push(message)
    open.isRetained = sent.retain
    const removals = this.#ledger.removals((other) => this.#open.has(other))
    this.#track(open)
    this.#ledger.add(command, removals)
    return {
      command,
      records: [this.#ledger.record(command), ...(message?.records ?? []), ...removals],
      ended: open.ended,
      durable: () => {
        // Closed meanwhile: its next life finds it in the log.
        if (open.stage === "over") return
        message?.end(undefined)
        open.start()
        if (isHopeless) this.#settle(open, command)
        else if (isReaching && target.confirm === "none") this.#handOver(open)
        else this.#wait(open)
      },
      refused: () => {
        const error = new FogError("store_closed", { message: "The command was not stored; nothing was sent" })
        message?.end(error)
        this.#untrack(open)
        this.#ledger.forget(id)
        open.refuse(error)
      },
    }
  }

  async #commit({ command, records, durable, refused }: PreparedCommand): Promise<void> {
    if (records.length === 0) {
      await this.#open.get(command.id)?.started
      return
    }
    try {
      await this.#options.store.put(records).durable
    } catch (error) {
      refused()
      throw error
    }
    durable()
  }

  #track(open: OpenCommand): void {
    const { id, device } = open.command
    this.#open.set(id, open)
    this.#answers.expect(open)
    this.#perDevice.set(device, (this.#perDevice.get(device) ?? 0) + 1)
  }

  #untrack(open: OpenCommand): void {
    const { id, device } = open.command
    this.#open.delete(id)
    this.#answers.forget(open)
    const left = (this.#perDevice.get(device) ?? 1) - 1
    if (left > 0) this.#perDevice.set(device, left)
    else this.#perDevice.delete(device)
  }

  /** Until the deadline, and for the turns of retries. */
  #wait(open: OpenCommand): void {
    const { clock } = this.#options
    const { created, deadline, retries, accepted } = open.command
    const leftMs = Math.max(0, (deadline - clock.now()) / 1_000)
    open.keep(clock.after(leftMs, () => this.#expire(open)))
    if (retries === 0 || accepted !== undefined) return
    const everyMs = (deadline - created) / 1_000 / (retries + 1)
    const turns = Math.min(retries, Math.ceil(leftMs / everyMs) - 1)
    for (let turn = 1; turn <= turns; turn++) {
      const inMs = leftMs - (turns - turn + 1) * everyMs
      open.keep(clock.after(Math.max(0, inMs), () => this.#sendAgain(open)))
    }
  }

  /** C3 */
  #sendAgain(open: OpenCommand): void {
    const { command } = open
    if (open.stage !== "waiting" || command.accepted !== undefined || open.isQueued) return
    // A wall clock that was set back must not make turns that were had already.
    if (command.attempts > command.retries) return
    const attempts = command.attempts + 1
    const again = open.target.messageOf(attempts)
    const message = this.#own?.plan(again)
    if (message === undefined) return
    if (!message.isReaching && !again.retain) {
      message.end(undefined)
      return
    }
    const sent = { ...command, attempts }
    open.command = sent
    open.messages.push(message)
    open.leaving++
    this.#store([this.#ledger.record(sent), ...message.records]).then(
      () => {
        open.leaving--
        message.end(undefined)
        if (open.target.confirm === "none") this.#handOver(open)
      },
      (error: FogError) => {
        open.leaving--
        message.end(error)
        this.#options.logger.warn("A command was not sent again: the log takes nothing", { error })
      },
    )
  }

  /** C5 */
  #expire(open: OpenCommand): void {
    // What the device said meanwhile is written first: the last record is in force.
    if (open.stage !== "waiting" || open.isBeingNoted) return
    const { command } = open
    const ended = this.#options.clock.now()
    const earlyMs = (command.deadline - ended) / 1_000
    if (earlyMs > 0 && earlyMs <= mostEarlyMs) {
      open.keepLast(this.#options.clock.after(Math.ceil(earlyMs), () => this.#expire(open)))
      return
    }
    // Where the wall clock was set back, what waits in a session has not expired there yet.
    const isCertain = open.isUnsent && earlyMs <= 0
    const outcome: Command = isCertain
      ? { ...command, state: "failed", ended, error: expired(command) }
      : { ...command, state: "in-doubt", ended, error: inDoubt(command) }
    this.#finish(open, outcome, () => this.#expire(open))
  }

  /** C8 */
  #handOver(open: OpenCommand): void {
    if (open.stage !== "waiting") return
    const outcome: Command = { ...open.command, state: "done", ended: this.#options.clock.now(), output: null }
    this.#finish(open, outcome, () => this.#handOver(open))
  }

  /** @param again what to do when the log takes it no more for now: until then it has no outcome. */
  #finish(open: OpenCommand, outcome: Command, again: () => void): void {
    open.stage = "ending"
    this.#store([this.#ledger.record(outcome)]).then(
      () => this.#settle(open, outcome),
      (error: FogError) => {
        this.#options.logger.warn("The outcome of a command is not stored yet", { command: outcome.id, error })
        if (open.stage !== "ending") return
        open.stage = "waiting"
        open.keepLast(this.#options.clock.after(outcomeRetryMs, again))
      },
    )
  }

  #settle(open: OpenCommand, outcome: Command): void {
    if (open.stage === "over") return
    this.#untrack(open)
    this.#count(outcome)
    open.end(outcome)
  }

  async #store(records: readonly KeyedRecord[]): Promise<void> {
    await this.#options.store.put(records).durable
  }
}
