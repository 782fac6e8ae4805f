/**
 * A text that never prints itself: templates, JSON, `console.log` and loggers show `[secret]`.
 * Only {@link Secret.reveal} gives it away, so that every place which does can be found by name.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself, for the one place that needs it. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return hidden
  }

  toJSON(): string {
    return hidden
  }

  /** What Node.js prints for it. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return hidden
  }
}

const hidden = "[secret]"
