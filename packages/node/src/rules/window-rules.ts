/** Rules on windows: what a window says is met as a reading is, by its device and property. */
import type { WindowRule } from "./compiled-rule.ts"
import type { Episodes } from "./episodes.ts"
import type { Gathering } from "./evaluation.ts"
import { Listening } from "./listening.ts"
import { Newest } from "./newest.ts"
import type { Remembered } from "./remembered.ts"
import type { Scene } from "./scope.ts"
import type { Subjects } from "./subjects.ts"
import type { WindowResult } from "./windows/window-result.ts"

export interface WindowRulesOptions {
  readonly episodes: Episodes
  readonly subjects: Subjects
}

export class WindowRules {
  readonly #options: WindowRulesOptions
  readonly #rules = new Map<string, WindowRule>()
  readonly #newest = new Map<string, Newest>()

  constructor(options: WindowRulesOptions) {
    this.#options = options
  }

  set(rule: WindowRule): void {
    this.#rules.set(rule.name, rule)
  }

  delete(name: string): void {
    this.#rules.delete(name)
  }

  meet(results: readonly WindowResult[], gathering: Gathering): void {
    const { episodes, subjects } = this.#options
    for (const { rule: name, scope, device, property, endUs, cause } of results) {
      const rule = this.#rules.get(name)
      if (rule === undefined) continue
      const group = `${device ?? ""}\u0000${property ?? ""}`
      const listening = new Listening(rule, group, subjects)
      const isLate = listening.isStateful && this.#newestOf(`${name}\u0000${group}`).isLate(endUs, gathering.nowUs)
      episodes.meet(listening, { scene: sceneOf(scope, endUs), cause: () => cause, gathering, isLate })
    }
  }

  #newestOf(key: string): Newest {
    let newest = this.#newest.get(key)
    if (newest === undefined) {
      // To forget them all lets something late count once.
      if (this.#newest.size >= maxGroups) this.#newest.clear()
      newest = new Newest()
      this.#newest.set(key, newest)
    }
    return newest
  }
}

/** Groups of windows whose newest end is known. */
const maxGroups = 100_000

/** A window's end is its time: what is said again of an older one changes no state. */
function sceneOf(scope: Readonly<Record<string, unknown>>, timeUs: number): Scene {
  const remembered = (): Remembered => ({ time: timeUs })
  return { ...scope, timeUs, previousSeen: undefined, remembered, isSameAs: () => false } as Scene
}
