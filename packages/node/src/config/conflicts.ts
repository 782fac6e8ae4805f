/** Keys that do not go together: each is fine by itself. */
import { isLoopback, parseAddress } from "./address.ts"
import type { Mistake } from "./given.ts"

interface Resolved {
  readonly values: ReadonlyMap<string, unknown>
  readonly origins: ReadonlyMap<string, string>
}

const listeners = ["mqtt.listen", "mqtt.tls.listen"]

export function conflictsOf({ values, origins }: Resolved): Mistake[] {
  const found: Mistake[] = []
  const report = (path: string, problem: string): void => {
    found.push({ path, origin: origins.get(path) ?? "nowhere", problem })
  }
  const needs = (path: string, other: string): void => {
    if (values.get(path) !== undefined && values.get(other) === undefined)
      report(path, `needs ${other}, which is missing`)
  }
  const isAnonymous = values.get("mqtt.allowAnonymous") === true
  for (const path of listeners) {
    const written = values.get(path)
    if (!isAnonymous || typeof written !== "string" || isLoopback(parseAddress(written).host)) continue
    report(
      "mqtt.allowAnonymous",
      `would let clients without a password in, and ${path} (${written}) can be reached from other machines; ` +
        "listen on 127.0.0.1, or make credentials: brume credential create",
    )
  }
  needs("mqtt.tls.certificateFile", "mqtt.tls.keyFile")
  needs("mqtt.tls.keyFile", "mqtt.tls.certificateFile")
  needs("mqtt.tls.clientAuthorityFile", "mqtt.tls.listen")
  return found
}
