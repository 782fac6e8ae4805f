/** Asks again and again while somebody looks. */

/** Must be called while a component is set up; ends with it. `take` gets answers, `fail` what came in place of the first. */
export function poll<Answer>(
  ask: (signal: AbortSignal) => Promise<Answer>,
  { everyMs, take, fail }: { everyMs: number; take: (answer: Answer) => void; fail: (error: Error) => void },
): void {
  $effect(() => {
    const ending = new AbortController()
    let isAnswered = false
    const turn = async (): Promise<void> => {
      try {
        const answer = await ask(ending.signal)
        if (ending.signal.aborted) return
        isAnswered = true
        take(answer)
      } catch (error) {
        // The banner tells of a node that is away.
        if (!ending.signal.aborted && !isAnswered) fail(error as Error)
      }
    }
    void turn()
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void turn()
    }, everyMs)
    return () => {
      clearInterval(timer)
      ending.abort()
    }
  })
}
