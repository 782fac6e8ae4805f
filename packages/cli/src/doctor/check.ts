/** What the doctor says of one thing. */
export interface Check {
  /** What was looked at. */
  readonly name: string
  /** `skip`: it could not be looked at, for a reason that another check tells. */
  readonly state: "ok" | "warn" | "fail" | "skip"
  readonly says: string
  /** What to do about it. */
  readonly remedy?: string
}

export const ok = (name: string, says: string): Check => ({ name, state: "ok", says })
export const skip = (name: string, says: string): Check => ({ name, state: "skip", says })
export const warn = (name: string, says: string, remedy: string): Check => ({ name, state: "warn", says, remedy })
export const fail = (name: string, says: string, remedy: string): Check => ({ name, state: "fail", says, remedy })
