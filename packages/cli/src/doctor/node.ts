/** Checks of a running node, over its API. */
import { isFogError } from "@brume/core"
import type { BrumeClient, NodeStatus } from "@brume/sdk"
import { ageText, countText } from "../times.ts"
import { type Check, fail, ok, skip, warn } from "./check.ts"

/** Readings that SQL may lag behind before it is worth a word. */
const maxBehind = 1_000_000
/** Largest difference between two clocks that nobody minds, ms. */
const maxSkewMs = 5_000

export async function checkNode(client: BrumeClient, ownVersion: string): Promise<Check[]> {
  let status: NodeStatus
  const asked = Date.now()
  const address = client.url.replace(/\/$/, "")
  try {
    status = await client.status()
  } catch (error) {
    if (!isFogError(error)) throw error
    const name = error.code === "unauthenticated" || error.code === "forbidden" ? "Token" : "Node"
    return [
      ...(name === "Token" ? [ok("Node", `${address} answers`)] : []),
      fail(name, error.message, error.hint ?? "Look into the node's log."),
      skip("Ingest", "not known"),
    ]
  }
  const runs = ageText(Date.parse(status.time) - Date.parse(status.started))
  return [
    ok("Node", `${status.node} at ${address}, running for ${runs}`),
    ok("Token", `${status.token.name} (${status.token.scopes.join(", ")})`),
    checkVersions(status.version, ownVersion),
    checkSkew(Date.parse(status.time) - (asked + Date.now()) / 2),
    checkIngest(status),
    checkLag(status),
    checkDamage(status),
  ]
}

function checkVersions(node: string, own: string): Check {
  return node === own
    ? ok("Versions", `node and command are ${own}`)
    : warn("Versions", `the node is ${node}, this command ${own}`, "Update the older one.")
}

function checkSkew(skewMs: number): Check {
  return Math.abs(skewMs) <= maxSkewMs
    ? ok("Node's clock", "agrees with this machine's")
    : warn(
        "Node's clock",
        `differs by ${(skewMs / 1_000).toFixed(0)} s from this machine's`,
        "Set both clocks, e.g. with NTP; readings carry their time.",
      )
}

function checkIngest({ store }: NodeStatus): Check {
  if (store.state === "accepting") return ok("Ingest", "accepts readings")
  return store.state === "full"
    ? fail("Ingest", "the store is full and refuses readings", "Free space on the disk, or set a retention.")
    : fail(
        "Ingest",
        "the log failed and nothing is accepted",
        "Look into the node's log, mend the disk, start it again.",
      )
}

function checkLag({ store }: NodeStatus): Check {
  const behind = Math.max(0, store.durableSeq - store.appliedSeq)
  return behind <= maxBehind
    ? ok("SQL", behind === 0 ? "sees everything that is stored" : `${countText(behind)} readings behind`)
    : warn("SQL", `${countText(behind)} readings behind`, "The node is overloaded: send less, or give it more CPU.")
}

function checkDamage({ store }: NodeStatus): Check {
  const { damaged } = store
  if (damaged.length === 0) return ok("Stored data", "no damaged ranges")
  const records = damaged.reduce((sum, { fromSeq, toSeq }) => sum + toSeq - fromSeq, 0)
  return fail(
    "Stored data",
    `${countText(records)} records in ${damaged.length} ranges cannot be read: ${damaged.map(({ file }) => file).join(", ")}`,
    "Check the disk; restore them from a backup. Everything else is served.",
  )
}
