import type { Planned } from "./effects.ts"

/** What several want in one commit, as one; undefined where nobody wants anything. */
export function joinPlanned(planned: readonly (Planned | undefined)[]): Planned | undefined {
  const wanted = planned.filter((one) => one !== undefined)
  if (wanted.length < 2) return wanted[0]
  return {
    records: wanted.flatMap(({ records }) => records),
    durable() {
      for (const one of wanted) one.durable()
    },
    refused() {
      for (const one of wanted) one.refused()
    },
  }
}
