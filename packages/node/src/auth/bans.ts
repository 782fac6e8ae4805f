/**
 * Bans: client ids, usernames and addresses that may not connect over MQTT, whatever they know.
 *
 * A ban is a document record (`ban/<kind>/<value>`). It is in force from the call on, also if the disk refuses it; lifting
 * one is in force when it is durable. Expiry goes by the node's wall clock.
 */
import { isIP } from "node:net"
import {
  type Ban,
  type BanKind,
  type BanRequest,
  type Bans,
  banKinds,
  type Clock,
  FogError,
  type KeyedKind,
  type KeyedRecord,
  type Logger,
  maxTimeUs,
} from "@brume/core"
import { documentOf, parseDocument } from "./revocable-table.ts"
import { Turns } from "./turns.ts"

export interface BansOptions {
  readonly documents: {
    entries(kind: KeyedKind): Iterable<readonly [key: string, value: Uint8Array]>
    put(records: readonly KeyedRecord[]): { readonly durable: Promise<void> }
  }
  readonly clock: Clock
  readonly logger: Logger
  readonly maxBans: number
}

/** Who wants to connect. */
export interface Comer {
  readonly clientId: string
  readonly username: string | undefined
  /** As {@link plainAddress} writes it. */
  readonly address: string
}

export interface OpenedBans extends Bans {
  isBanned(comer: Comer): boolean
  /** Called when something is banned. Returns the function that ends the subscription. */
  onBanned(listener: (ban: Ban) => void): () => void
}

const prefix = "ban/"
/** A client id may be as long as MQTT lets it; what nobody types cannot be banned. */
const longestValue = 512
const longestReason = 200

export function openBans(options: BansOptions): OpenedBans {
  const { documents, clock, logger } = options
  const bans = load(options)
  const turns = new Turns()
  const listeners = new Set<(ban: Ban) => void>()
  const inForce = (key: string): boolean => {
    const ban = bans.get(key)
    return ban !== undefined && (ban.expires === undefined || clock.now() < ban.expires)
  }
  /** Forgets those that have ended; returns the records that do so. */
  const sweep = (): KeyedRecord[] => {
    const ended = [...bans.keys()].filter((key) => !inForce(key))
    for (const key of ended) bans.delete(key)
    return ended.map((key) => ({ kind: "document", key, value: undefined }))
  }

  return {
    isBanned({ clientId, username, address }) {
      if (bans.size === 0) return false
      return (
        inForce(keyOf("client", clientId)) ||
        inForce(keyOf("address", address)) ||
        (username !== undefined && inForce(keyOf("username", username)))
      )
    },
    onBanned(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    list() {
      const current = [...bans].filter(([key]) => inForce(key))
      return current.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ban]) => ban)
    },

    async add(request) {
      const ban = admitBan(request, clock.now())
      const key = keyOf(ban.kind, ban.value)
      const ended = bans.size >= options.maxBans && !bans.has(key) ? sweep() : []
      if (bans.size >= options.maxBans && !bans.has(key))
        throw invalid([`there are ${bans.size} bans already, and auth.maxBans allows no more`])
      bans.set(key, ban)
      for (const listener of [...listeners]) listener(ban)
      const { kind, value, ...content } = ban
      const records = [...ended.filter((record) => record.key !== key), documentOf(key, content)]
      await turns.take(key, () => documents.put(records).durable)
      logger.info("Something was banned", { kind, value })
      return ban
    },

    async remove(kind, value) {
      const key = keyOf(kind, kind === "address" ? plainAddress(value) : value)
      const ban = bans.get(key)
      if (ban === undefined)
        throw new FogError("ban_not_found", {
          message: `The ${kind} ${JSON.stringify(value.slice(0, 64))} is not banned`,
          hint: "List the bans with `brume ban list`.",
        })
      await turns.take(key, async () => {
        await documents.put([{ kind: "document", key, value: undefined }]).durable
        // Banned anew meanwhile: that ban stays, and its record follows.
        if (bans.get(key) === ban) bans.delete(key)
      })
      logger.info("A ban was lifted", { kind, value })
    },
  }
}

/** An IPv4 address in the clothes of IPv6 is the IPv4 address. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  return mapped ?? address.toLowerCase()
}

function keyOf(kind: BanKind, value: string): string {
  return `${prefix}${kind}/${value}`
}

/** Throws `ban_invalid` with all its mistakes. */
function admitBan({ kind, value, expires, reason }: BanRequest, now: number): Ban {
  const mistakes: string[] = []
  if (!banKinds.includes(kind)) mistakes.push(`its kind is none of ${banKinds.join(", ")}`)
  if (typeof value !== "string" || value === "" || value.length > longestValue || /[\p{Cc}\p{Surrogate}]/u.test(value))
    mistakes.push(`its value is no text of 1 to ${longestValue} characters without control characters`)
  else if (kind === "address" && isIP(value) === 0) mistakes.push("its value is no IP address")
  if (expires !== undefined && (!Number.isInteger(expires) || expires > maxTimeUs))
    mistakes.push("its expiry is no time in µs since 1970")
  else if (expires !== undefined && expires <= now) mistakes.push("its expiry has passed already")
  if (reason !== undefined && (typeof reason !== "string" || reason.length > longestReason || /\p{Cc}/u.test(reason)))
    mistakes.push(`its reason is no text of at most ${longestReason} characters`)
  if (mistakes.length > 0) throw invalid(mistakes)
  return {
    kind,
    value: kind === "address" ? plainAddress(value) : value,
    created: now,
    ...(expires === undefined ? {} : { expires }),
    ...(reason === undefined ? {} : { reason }),
  }
}

function invalid(mistakes: readonly string[]): FogError {
  return new FogError("ban_invalid", {
    message: `The ban is malformed: ${mistakes.join("; ")}`,
    hint: "A ban has a kind (address, client or username) and a value, and may have an expiry and a reason.",
    details: { mistakes },
  })
}

function load({ documents, logger }: BansOptions): Map<string, Ban> {
  const bans = new Map<string, Ban>()
  for (const [key, value] of documents.entries("document")) {
    if (!key.startsWith(prefix)) continue
    const ban = readBan(key, value)
    // Fewer rights when in doubt: what cannot be read holds for ever.
    if ("isUnreadable" in ban) logger.error("A ban's record is unreadable and counts as one without an end", { key })
    const { isUnreadable: _, ...known } = ban
    bans.set(key, known)
  }
  return bans
}

function readBan(key: string, value: Uint8Array): Ban & { readonly isUnreadable?: true } {
  const [kind = "", ...rest] = key.slice(prefix.length).split("/")
  const named = { kind: kind as BanKind, value: rest.join("/") }
  const { created, expires, reason } = (parseDocument(value) ?? {}) as Partial<Record<keyof Ban, unknown>>
  const isTime = (time: unknown): time is number | undefined => time === undefined || typeof time === "number"
  if (typeof created !== "number" || !isTime(expires) || (reason !== undefined && typeof reason !== "string"))
    return { ...named, created: 0, isUnreadable: true }
  return {
    ...named,
    created,
    ...(expires === undefined ? {} : { expires }),
    ...(reason === undefined ? {} : { reason }),
  }
}
