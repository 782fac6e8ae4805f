/** A command that has not ended, or whose outcome is on its way to the disk. */
import type { Command, Timer } from "@brume/core"
import type { PlannedMessage } from "../mqtt/own-messages.ts"
import type { Target } from "./targets.ts"

export class OpenCommand {
  /** As it is durable. */
  command: Command
  /**
   * `new`: its first record is on its way; `waiting`: for an answer; `ending`: its outcome is on its way to the disk;
   * `over`: it will not come again.
   */
  stage: "new" | "waiting" | "ending" | "over" = "new"
  /** That the device has accepted it is on its way to the disk. */
  isBeingNoted = false
  /** What was sent in this life of the node. */
  readonly messages: PlannedMessage[] = []
  /** Whoever subscribes later gets it. */
  isRetained = false
  /** Messages that leave as soon as they are durable. */
  leaving = 0
  readonly target: Target
  readonly #isRestored: boolean
  /** Resolves when it is durable; rejects when it never will be. */
  readonly started: Promise<void>
  readonly ended: Promise<Command>
  #start!: () => void
  #refuse!: (error: unknown) => void
  #end!: (command: Command) => void
  #timers: Timer[] = []
  #last: Timer | undefined

  constructor(command: Command, target: Target, isRestored: boolean) {
    this.command = command
    this.target = target
    this.#isRestored = isRestored
    this.started = new Promise((resolve, reject) => {
      this.#start = resolve
      this.#refuse = reject
    })
    this.started.catch(() => {})
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    if (isRestored) this.start()
  }

  /** Nothing of it ever left the node, and nothing will once its messages have expired. */
  get isUnsent(): boolean {
    return (
      !this.#isRestored && !this.isRetained && this.leaving === 0 && this.messages.every((message) => !message.isSent())
    )
  }

  /** It lies in a session that waits for the device. */
  get isQueued(): boolean {
    const last = this.messages.at(-1)
    return last?.isReaching === true && !last.isSent()
  }

  start(): void {
    this.stage = "waiting"
    this.#start()
  }

  keep(timer: Timer): void {
    this.#timers.push(timer)
  }

  /** The one that stands in for those before: of its kind there is one at a time. */
  keepLast(timer: Timer): void {
    this.#last?.cancel()
    this.#last = timer
  }

  /** The first commit was refused. */
  refuse(error: unknown): void {
    this.#over(this.command)
    this.#refuse(error)
  }

  end(command: Command): void {
    this.#over(command)
  }

  #over(command: Command): void {
    this.command = command
    this.stage = "over"
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
    this.#last?.cancel()
    this.#end(command)
  }
}
