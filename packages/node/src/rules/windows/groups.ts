/** Numbers of groups: of whose readings a window is. Numbers of groups that nothing depends on any more are given again. */
import type { WindowPlan } from "./window-plan.ts"

export interface Group {
  /** Undefined where the windows are not by device, or by property. */
  readonly device: string | undefined
  readonly property: string | undefined
}

export interface GroupsOptions {
  readonly plan: WindowPlan
  readonly most: number
  readonly isIdle: (group: number) => boolean
  readonly forget: (group: number) => void
}

export class Groups {
  /** Grows when a number is given again: who remembers numbers has to ask again. */
  version = 0
  readonly #options: GroupsOptions
  readonly #byKey = new Map<string, number>()
  readonly #groups: (Group | undefined)[] = []
  readonly #free: number[] = []
  /** Whether looking for idle groups can be of use. */
  #mayHaveIdle = true

  constructor(options: GroupsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byKey.size
  }

  at(group: number): Group {
    return this.#groups[group]!
  }

  /** Undefined where there are as many as the limit allows. */
  numberOf(device: string, property: string): number | undefined {
    const { byDevice, byProperty } = this.#options.plan
    const group = { device: byDevice ? device : undefined, property: byProperty ? property : undefined }
    const key = `${group.device ?? ""}\u0000${group.property ?? ""}`
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    if (this.size >= this.#options.most) this.#dropIdle()
    if (this.size >= this.#options.most) return undefined
    const number = this.#free.pop() ?? this.#groups.length
    this.#groups[number] = group
    this.#byKey.set(key, number)
    return number
  }

  /** Windows were closed: groups may have become idle. */
  closed(): void {
    this.#mayHaveIdle = true
  }

  #dropIdle(): void {
    if (!this.#mayHaveIdle) return
    this.#mayHaveIdle = false
    const { isIdle, forget } = this.#options
    for (const [key, number] of this.#byKey) {
      if (!isIdle(number)) continue
      this.#byKey.delete(key)
      this.#groups[number] = undefined
      forget(number)
      this.#free.push(number)
    }
    this.version++
  }
}
