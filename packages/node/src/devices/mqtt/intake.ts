/**
 * The intake: messages that clients publish, in turns. What arrives within one turn of the event loop is one batch of
 * readings and one commit of the log; acknowledgements and deliveries follow when it is durable.
 *
 * - I1 A message is acknowledged after the commit that holds its readings, the deliveries to sessions that outlive their
 *   connection, what is retained of it and, at QoS 2, its packet identifier: all of it or nothing.
 * - I2 Turns end in their order, so that acknowledgements and deliveries keep that of the packets. [MQTT-4.6.0-2, -5]
 * - I3 Nothing leaves the node before its turn is durable.
 * - I4 When the store takes no more for now, publishers are not read until it does; when it takes no more at all, the
 *   messages of that turn are refused, and nothing of them is delivered.
 */
import {
  type Clock,
  type FogError,
  isFogError,
  type KeyedRecord,
  type Logger,
  ReadingBatch,
  type Store,
} from "@brume/core"
import type { Fanout } from "./fanout.ts"
import type { Later } from "./session/later.ts"

export interface IntakeOptions {
  readonly store: Pick<Store, "append" | "put">
  readonly later: Later
  readonly clock: Clock
  readonly logger: Logger
  /** Calls soon, after everything that has arrived by now was read. */
  readonly soon: (call: () => void) => void
  /** Called when turns have ended, before anything else runs. */
  readonly onEnded: () => void
  /** The store takes messages again (I4). */
  readonly onFlowing: () => void
}

/** Who is told how a packet of a turn ended. `code` is its own. */
export interface Answered {
  /** @param error why it was refused; undefined when it is durable. */
  answer(code: number, error: FogError | undefined): void
}

type Call = (error: FogError | undefined) => void

class Turn {
  readonly receivedUs: number
  readonly batch = new ReadingBatch(32)
  readonly records: KeyedRecord[] = []
  /** Those among them that could wait. */
  late: readonly KeyedRecord[] = []
  /** In order: who is answered, what is delivered, what is called. Codes are those of the answered. */
  readonly steps: (Answered | Fanout | Call)[] = []
  readonly codes: number[] = []
  /** `open`: still gathering; `pending`: on its way to the disk. */
  state: "open" | "pending" | "durable" | "refused" = "open"
  error: FogError | undefined

  constructor(receivedUs: number) {
    this.receivedUs = receivedUs
  }
}

/** Marks of steps that are not answered. */
const fanoutMark = -1
const callMark = -2

const retryMs = 5

export class Intake {
  readonly #options: IntakeOptions
  /** Ended in order; the last one may be open. */
  #turns: Turn[] = []
  #open: Turn | undefined
  #isStalled = false

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** True while publishers should not be read (I4). */
  get isStalled(): boolean {
    return this.#isStalled
  }

  /** Readings of this turn are added here. */
  get batch(): ReadingBatch {
    return this.#turn().batch
  }

  /** When this turn began, µs since 1970 UTC: the time of readings that bring none. */
  get receivedUs(): number {
    return this.#turn().receivedUs
  }

  /** What becomes durable with this turn. */
  get records(): KeyedRecord[] {
    return this.#turn().records
  }

  record(record: KeyedRecord): void {
    this.#turn().records.push(record)
  }

  answer(answered: Answered, code: number): void {
    const turn = this.#turn()
    turn.steps.push(answered)
    turn.codes.push(code)
  }

  deliver(fanout: Fanout): void {
    const turn = this.#turn()
    turn.steps.push(fanout)
    turn.codes.push(fanoutMark)
  }

  /** Calls when everything of this turn is durable, or refused. */
  afterwards(call: Call): void {
    const turn = this.#turn()
    turn.steps.push(call)
    turn.codes.push(callMark)
  }

  /** Ends the open turn now. */
  flush(): void {
    const turn = this.#open
    if (turn === undefined || this.#isStalled) return
    this.#open = undefined
    turn.late = this.#options.later.part()
    this.#commit(turn)
  }

  #turn(): Turn {
    if (this.#open !== undefined) return this.#open
    const turn = new Turn(this.#options.clock.now())
    this.#open = turn
    this.#turns.push(turn)
    this.#options.later.join(turn.records)
    this.#options.soon(() => this.flush())
    return turn
  }

  #commit(turn: Turn): void {
    const { store } = this.#options
    if (turn.batch.length === 0 && turn.records.length === turn.late.length) {
      // Nobody waits for the disk: no commit for what may wait.
      this.#putBack(turn)
      turn.state = "durable"
      this.#end()
      return
    }
    turn.state = "pending"
    let durable: Promise<void>
    try {
      durable = store.append(turn.batch, turn.records).durable
    } catch (error) {
      if (isFogError(error, "store_busy")) this.#stall(turn)
      else this.#refuse(turn, error as FogError)
      return
    }
    durable.then(
      () => {
        turn.state = "durable"
        this.#end()
      },
      (error: FogError) => this.#refuse(turn, error),
    )
  }

  /** I4: the turn waits, and with it all that come. */
  #stall(turn: Turn): void {
    const { clock, onFlowing, soon } = this.#options
    if (!this.#isStalled) this.#options.logger.debug("The store is busy; publishers wait")
    this.#isStalled = true
    clock.after(retryMs, () => {
      this.#isStalled = false
      this.#commit(turn)
      if (this.#isStalled) return
      soon(() => this.flush())
      onFlowing()
    })
  }

  #putBack(turn: Turn): void {
    for (const record of turn.late) this.#options.later.put(record)
    turn.late = []
  }

  #refuse(turn: Turn, error: FogError): void {
    this.#putBack(turn)
    turn.state = "refused"
    turn.error = error
    this.#end()
  }

  /** I2 */
  #end(): void {
    let ended = 0
    for (const turn of this.#turns) {
      if (turn.state !== "durable" && turn.state !== "refused") break
      ended++
      this.#finish(turn)
    }
    if (ended === 0) return
    this.#turns = ended === this.#turns.length ? [] : this.#turns.slice(ended)
    this.#options.onEnded()
  }

  #finish({ steps, codes, error }: Turn): void {
    for (let at = 0; at < steps.length; at++) {
      const step = steps[at]!
      const code = codes[at]!
      if (code === fanoutMark) (step as Fanout).end(error)
      else if (code === callMark) (step as Call)(error)
      else (step as Answered).answer(code, error)
    }
  }
}
