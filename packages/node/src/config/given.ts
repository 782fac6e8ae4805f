import type { Written } from "./written.ts"

/** One value that somebody gave for a key. */
export interface Given {
  /** As written, e.g. `store.tables.sealRows`; may name no key at all. */
  readonly path: string
  /** Who says so: a flag, the name of a variable, or file:line:column. */
  readonly origin: string
  /** undefined where nothing usable stands. */
  readonly written: Written | undefined
  /** What a relative path in it is relative to. */
  readonly folder: string
  /** Where `path` names no key: what it was probably meant to be. */
  readonly guess?: string | undefined
}

export interface Mistake {
  /** Empty where it concerns no key. */
  readonly path: string
  readonly origin: string
  /** A predicate: what is wrong with it. */
  readonly problem: string
}
