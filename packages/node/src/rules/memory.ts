/**
 * What rules remember, over their changes and over the node's restarts.
 *
 * - M1 A rule that still listens to the same goes on with what it remembers. What was pending begins anew where its condition
 *   is another one, or while it is disabled: nobody knows whether it holds.
 * - M2 A rule that listens to something else, or is deleted, leaves nothing in the log. What the disk did not take then is
 *   removed at the next start.
 */
import type { KeyedRecord, Logger, Store, StoredDocument } from "@brume/core"
import type { CompiledRule } from "./compiled-rule.ts"
import type { Episodes } from "./episodes.ts"
import type { RuleSpec } from "./rule-spec.ts"
import { parseSubjectKey, rulePrefix } from "./subject.ts"
import type { Subjects } from "./subjects.ts"

export interface MemoryOptions {
  readonly store: Pick<Store, "put" | "entries">
  readonly logger: Logger
  readonly subjects: Subjects
  readonly episodes: Episodes
}

export class Memory {
  readonly #options: MemoryOptions

  constructor(options: MemoryOptions) {
    this.#options = options
  }

  /** Goes on with what the log remembers of rules; {@link find} has undefined for those that are not enabled. */
  resume(find: (rule: string) => CompiledRule | undefined): void {
    for (const [key] of this.#options.store.entries("state")) {
      const parsed = parseSubjectKey(key)
      const rule = parsed === undefined ? undefined : find(parsed.rule)
      if (rule !== undefined) this.#resume(rule, parsed!)
    }
  }

  /** M2. Forgets rules that are not known. */
  tidy(isKnown: (rule: string) => boolean): void {
    const keys = [...this.#options.store.entries("state")].map(([key]) => key)
    this.#drop(
      keys.filter((key) => {
        const rule = parseSubjectKey(key)?.rule
        return rule !== undefined && !isKnown(rule)
      }),
    )
  }

  forget(name: string): void {
    const { store, subjects } = this.#options
    subjects.forget(name)
    const prefix = rulePrefix(name)
    this.#drop([...store.entries("state")].map(([key]) => key).filter((key) => key.startsWith(prefix)))
  }

  /** M1. @param rule undefined while it is not enabled */
  change(document: StoredDocument, before: StoredDocument, rule: CompiledRule | undefined): void {
    const { name } = document.metadata
    const { store, subjects } = this.#options
    if (rule !== undefined && !isEnabled(before)) {
      const prefix = rulePrefix(name)
      for (const [key] of store.entries("state")) if (key.startsWith(prefix)) this.#resume(rule, parseSubjectKey(key)!)
    }
    const goesOn = rule !== undefined && isEnabled(before) && specOf(document).when === specOf(before).when
    const records: KeyedRecord[] = []
    for (const subject of subjects.ofRule(name)) {
      subject.awaited = 0
      if (subject.phase === "pending" && !goesOn) {
        subject.rest(false)
        const record = subject.record()
        if (record !== undefined) records.push(record)
      } else if (rule !== undefined) this.#await(rule, subject)
    }
    this.#put(records)
  }

  #resume(rule: CompiledRule, key: NonNullable<ReturnType<typeof parseSubjectKey>>): void {
    if (rule.kind === "time") return
    const subject = this.#options.subjects.resumed(rule, key)
    if (subject !== undefined) this.#await(rule, subject)
  }

  /** Silences are watched by silences.ts: when something was heard is known there. */
  #await(rule: CompiledRule, subject: Parameters<Episodes["await"]>[1]): void {
    if (rule.kind !== "time" && rule.silenceUs === 0) this.#options.episodes.await(rule, subject)
  }

  #drop(keys: readonly string[]): void {
    this.#put(keys.map((key) => ({ kind: "state", key, value: undefined })))
  }

  #put(records: readonly KeyedRecord[]): void {
    const { store, logger } = this.#options
    if (records.length === 0) return
    try {
      store.put(records).durable.catch(() => {})
    } catch (error) {
      logger.warn("What a rule remembered cannot be removed now", { error })
    }
  }
}

export function isEnabled(document: StoredDocument): boolean {
  return specOf(document).enabled !== false
}

/** Whether a rule still listens to the same, so that what it remembers still means the same. */
export function isSameSource(a: StoredDocument, b: StoredDocument): boolean {
  const of = (document: StoredDocument): string => {
    const { on, silence, window } = specOf(document)
    return JSON.stringify([on, silence !== undefined, window])
  }
  return of(a) === of(b)
}

function specOf({ spec }: StoredDocument): RuleSpec {
  return spec as RuleSpec
}
