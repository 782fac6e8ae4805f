/** Waiting between attempts: exponential, jittered, bounded. */

export interface BackoffPolicy {
  /** Upper bound of the first wait, ms. */
  readonly firstDelayMs: number
  /** Upper bound of every wait, ms. */
  readonly maxDelayMs: number
}

/**
 * How long to wait after the given number of failures in a row. The upper half of the interval is random, so that many
 * clients that lost the same node do not come back at the same moment.
 */
export function backoffMs(failures: number, policy: BackoffPolicy, unit: number = Math.random()): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** Math.min(Math.max(failures - 1, 0), 30))
  return ceiling / 2 + (ceiling / 2) * unit
}

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop)
      resolve()
    }, delayMs)
    signal?.addEventListener("abort", stop, { once: true })
  })
}
