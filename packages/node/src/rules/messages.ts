/** Messages meet the rules while they are taken in: for whoever does that. */
import type { KeyedRecord, Logger, Store } from "@brume/core"
import type { Evaluation, Gathering } from "./evaluation.ts"
import type { TopicRules } from "./topic-rules.ts"

/** What the rules make of a message. */
export interface TakenByRules {
  /** For the commit of the message's turn. */
  readonly records: readonly KeyedRecord[]
  /** @param error why the turn was refused; undefined when it is durable. */
  end(error: unknown): void
}

export interface MessageRules {
  /** Grows with each change: what {@link MessageRules.on} gave before may be wrong then. */
  readonly version: number
  /** Who takes the messages of a topic; undefined where no rule listens to it. */
  on(topic: string): ((message: { readonly payload: Uint8Array }) => TakenByRules | undefined) | undefined
}

export interface MessagesOptions {
  readonly topics: TopicRules
  readonly store: Pick<Store, "nextSeq">
  readonly logger: Logger
  readonly gathering: () => Gathering
}

export function createMessageRules({ topics, store, logger, gathering: begin }: MessagesOptions): MessageRules {
  return {
    get version() {
      return topics.version
    },
    on: (topic) => {
      const listeners = topics.matching(topic)
      if (listeners === undefined) return undefined
      return ({ payload }) => {
        const gathering = begin()
        try {
          topics.take(listeners, { topic, payload }, store.nextSeq, gathering)
          const evaluation = gathering.end()
          return evaluation && takenOf(evaluation)
        } catch (error) {
          // U4 in rules.ts.
          logger.error("Evaluating rules failed; the message is taken without them", { error })
          gathering.refused()
          return undefined
        }
      }
    },
  }
}

function takenOf(evaluation: Evaluation): TakenByRules {
  const { records } = evaluation
  return { records, end: (error) => (error === undefined ? evaluation.durable() : evaluation.refused()) }
}
