import type { Refusal, TopicMapping } from "./mapping.ts"

/** A topic that a mapping takes, but that names nothing that readings can have: every payload is refused. */
export class RefusingTopic implements TopicMapping {
  readonly name: string
  readonly device = undefined
  readonly #refusal: Refusal

  constructor({ name, reason }: { readonly name: string; readonly reason: string }) {
    this.name = name
    this.#refusal = { reason }
  }

  add(): Refusal {
    return this.#refusal
  }
}
