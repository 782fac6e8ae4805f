/** One attempt at an effect outside of the log, under a deadline, and what its ending means. */
import { type Action, type Clock, type Effect, type EffectOutcome, type Executor, isFogError } from "@brume/core"

export interface Ending extends EffectOutcome {
  /** It certainly was not done, and may be done later: not before so long, where that was said. ms */
  readonly again?: { readonly afterMs: number | undefined }
}

export interface AttemptTerms<A extends Action> {
  readonly executor: Executor<A>
  readonly clock: Clock
  readonly deadlineMs: number
  /** What ends attempts before their deadline, as the node stops; each adds its own while it runs. */
  readonly stops: Set<() => void>
}

/** How long an executor may take to say what it knows after it was told to stop. */
const graceMs = 250

/** Never rejects. */
export function attempt<A extends Action>(effect: Effect<A>, terms: AttemptTerms<A>): Promise<Ending> {
  const { executor, clock, deadlineMs, stops } = terms
  return new Promise((resolve) => {
    const abort = new AbortController()
    let why = `It did not end within its ${deadlineMs} ms`
    let grace = clock.after(deadlineMs, () => end())
    const end = (): void => {
      grace.cancel()
      // Whoever knows better says so at once.
      grace = clock.after(graceMs, () => settle(inDoubt(why)))
      abort.abort()
    }
    const onStop = (): void => {
      why = "The node stopped before it ended"
      end()
    }
    const settle = (ending: Ending): void => {
      grace.cancel()
      stops.delete(onStop)
      resolve(ending)
    }
    stops.add(onStop)
    start(executor, effect, abort.signal).then(
      () => settle({ state: "done" }),
      (error: unknown) => settle(endingOf(error)),
    )
  })
}

async function start<A extends Action>(executor: Executor<A>, effect: Effect<A>, signal: AbortSignal): Promise<void> {
  await executor(effect, signal)
}

/** What an error means that an executor or planner threw. */
export function endingOf(error: unknown): Ending {
  if (!isFogError(error)) return { state: "failed", code: "internal", message: messageOf(error) }
  const { code, message, retry, details } = error
  if (code === "effect_in_doubt") return inDoubt(message)
  const failed = { state: "failed", code, message } as const
  if (retry === "never") return failed
  const afterMs = details?.retryAfterMs
  return { ...failed, again: { afterMs: typeof afterMs === "number" ? afterMs : undefined } }
}

export function inDoubt(message: string): EffectOutcome {
  return { state: "in-doubt", code: "effect_in_doubt", message }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
