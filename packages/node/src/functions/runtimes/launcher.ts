/**
 * Starts children, and keeps blank ones ready: processes whose interpreter has started and that wait for code.
 *
 * - L1 A blank belongs to nobody, and becomes one function's for its whole life: no process runs the code of two.
 * - L2 Blanks are kept for the shapes that are in use, so many each, and no longer.
 */
import type { Clock, Logger, Timer } from "@brume/core"
import { Child } from "./child.ts"
import type { Driver, Shape } from "./driver.ts"
import type { Sandbox } from "./sandbox/sandbox.ts"
import type { Starter } from "./starter.ts"

export interface LauncherOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly starter: Starter
  /** Of each shape. */
  readonly blanks: number
}

/** A start takes a processor for a while: not right behind the one for which a call waits. ms. */
const refillMs = 100
/** After a blank that did not live. ms. */
const retryMs = 5_000
/** Shapes with blanks at once. */
const mostShapes = 16

interface Shelf {
  readonly driver: Driver
  readonly shape: Shape
  readonly sandbox: Sandbox
  readonly blanks: Set<Child>
  users: number
  timer: Timer | undefined
}

export class Launcher {
  readonly #options: LauncherOptions
  readonly #shelves = new Map<string, Shelf>()
  readonly #children = new Set<Child>()
  #isClosed = false
  #whenEmpty: (() => void) | undefined

  constructor(options: LauncherOptions) {
    this.#options = options
  }

  /** A pool of this shape is open, until what is returned is called. */
  use(driver: Driver, shape: Shape, sandbox: Sandbox): () => void {
    const key = keyOf(driver, shape)
    const shelf = this.#shelves.get(key) ?? { driver, shape, sandbox, blanks: new Set(), users: 0, timer: undefined }
    this.#shelves.set(key, shelf)
    shelf.users++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      if (--shelf.users > 0) return
      this.#shelves.delete(key)
      shelf.timer?.cancel()
      for (const blank of shelf.blanks) blank.stop("nobody needs it")
    }
  }

  /** A child that is blank or will be: what is sent to it waits. */
  take(driver: Driver, shape: Shape, sandbox: Sandbox): Child {
    const shelf = this.#shelves.get(keyOf(driver, shape))
    for (const blank of shelf?.blanks ?? []) {
      shelf?.blanks.delete(blank)
      if (!blank.isAlive) continue
      this.#refillLater(shelf!, refillMs)
      return blank
    }
    if (shelf !== undefined) this.#refillLater(shelf, refillMs)
    return this.#start(driver, shape, sandbox)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const shelf of this.#shelves.values()) shelf.timer?.cancel()
    for (const child of this.#children) child.stop("the node stops")
    if (this.#children.size > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
  }

  #start(driver: Driver, shape: Shape, sandbox: Sandbox): Child {
    const { clock, starter } = this.#options
    const child = new Child(sandbox.wrap(driver.launch(shape), shape), clock, starter)
    this.#children.add(child)
    child.onGone = () => {
      this.#children.delete(child)
      if (this.#children.size === 0) this.#whenEmpty?.()
    }
    return child
  }

  #refillLater(shelf: Shelf, delayMs: number): void {
    if (this.#isClosed || shelf.timer !== undefined || this.#shelves.size > mostShapes) return
    shelf.timer = this.#options.clock.after(delayMs, () => {
      shelf.timer = undefined
      while (!this.#isClosed && shelf.blanks.size < this.#options.blanks) this.#addBlank(shelf)
    })
  }

  #addBlank(shelf: Shelf): void {
    const child = this.#start(shelf.driver, shelf.shape, shelf.sandbox)
    shelf.blanks.add(child)
    child.own({
      onMessage: () => {},
      onPrint: () => true,
      onEnd: ({ reason, lastWords, error }) => {
        if (!shelf.blanks.delete(child) || reason !== undefined) return
        this.#options.logger.warn("A blank runtime ended by itself", {
          runtime: shelf.driver.name,
          error: error?.message,
          lastWords,
        })
        this.#refillLater(shelf, retryMs)
      },
    })
  }
}

function keyOf({ name }: Driver, { memoryMiB, network }: Shape): string {
  return `${name}/${memoryMiB}/${network}`
}
