/**
 * Tokens: who may do what on this node.
 *
 * A secret is `brume_<id>_<random>`; the id finds the record, 256 random bits prove it. A token is a document record
 * (`token/<id>`) in the store's log with the SHA-256 of its secret: no dictionary helps against a random secret, so that
 * a slow hash would only slow the node.
 *
 * Invariants:
 * - A1 No secret is stored or logged; it exists in the answer that made it, and for the first token in `admin-token`.
 * - A2 Comparing takes the same time for a wrong, unknown, expired or revoked secret.
 * - A3 Revocation is monotone: it holds from the call on, in memory even if the disk refuses it, and its durable
 *   tombstone outlives the token, so that no merge brings an id back.
 * - A4 There is never an unknown admin. The first token's file is durable before its record is: a crash between leaves a
 *   file that opens nothing, and the next start begins anew. Once any token was made, none makes itself.
 * - A5 Memory is bounded: `maxTokens` tokens, 10,000 tombstones.
 *
 * Expiry goes by the node's wall clock. It is not login: people sign in elsewhere and bring a token.
 */
import type { Appended, Clock, Disk, KeyedKind, KeyedRecord, Logger, Random, TokenInfo, Tokens } from "@brume/core"
import { FogError, Secret } from "@brume/core"
import { admitTokenRequest } from "./request.ts"
import { makeToken, readRecord, tokenPrefix } from "./token-record.ts"
import { isExpired, TokenTable } from "./token-table.ts"

/** What the room needs of the store. */
export interface Documents {
  entries(kind: KeyedKind): Iterable<readonly [key: string, value: Uint8Array]>
  put(records: readonly KeyedRecord[]): Appended
}

export interface TokensOptions {
  readonly documents: Documents
  readonly disk: Pick<Disk, "replace" | "absolute">
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly maxTokens: number
  /** Makes a new admin token in place of the one that the node made before. */
  readonly resetAdminToken?: boolean
}

export interface OpenedTokens extends Tokens {
  /** The token that this opening made, because there was none or a reset was asked for. */
  readonly madeAdmin: MadeAdmin | undefined
  /** undefined when it is unknown, expired or revoked. */
  get(id: string): TokenInfo | undefined
  /** Called from within `revoke`, when the token is refused already. Returns the function that ends the subscription. */
  onRevoked(listener: (id: string) => void): () => void
}

export interface MadeAdmin {
  readonly secret: Secret
  /** The file that holds it, readable by the node's user alone. */
  readonly path: string
}

/** Name of the first token, and of the file that holds its secret. */
const adminName = "admin"
const adminFile = "admin-token"

export async function openTokens(options: TokensOptions): Promise<OpenedTokens> {
  const { documents, clock, random, logger } = options
  const table = load(options)
  const madeAdmin = table.isNew || options.resetAdminToken ? await makeAdmin(table, options) : undefined

  const listeners = new Set<(id: string) => void>()

  return {
    madeAdmin,
    authenticate: (secret) => table.authenticate(secret, clock.now()),
    list: () => table.list(),
    get(id) {
      const info = table.get(id)?.info
      return info === undefined || isExpired(info, clock.now()) ? undefined : info
    },
    onRevoked(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    async create(request) {
      const admitted = admitTokenRequest(request, clock.now())
      const { entry, secret, record } = makeToken(admitted, { clock, random })
      table.reservePlace(options.maxTokens)
      try {
        await documents.put([record]).durable
        table.set(entry.info.id, entry)
      } finally {
        table.release()
      }
      logger.info("A token was made", { token: entry.info.id, name: entry.info.name, scopes: entry.info.scopes })
      return { info: entry.info, secret }
    },

    async revoke(id) {
      const entry = table.revoke(id)
      if (entry === undefined)
        throw new FogError("token_not_found", {
          message: `No token has the id ${JSON.stringify(id.slice(0, 64))}`,
          hint: "List the tokens with `brume token list`.",
        })
      for (const listener of [...listeners]) listener(id)
      await documents.put([...table.bury([id], clock.now())]).durable
      table.remove(id)
      logger.info("A token was revoked", { token: id, name: entry.info.name })
      if (!table.hasAdmin)
        logger.warn("No admin token is left; start once with --reset-admin-token to make one", { token: id })
    },
  }
}

function load({ documents, logger }: TokensOptions): TokenTable {
  const table = new TokenTable()
  for (const [key, value] of documents.entries("document")) {
    if (!key.startsWith(tokenPrefix)) continue
    const record = readRecord(key, value)
    // Fewer rights when in doubt: what cannot be read opens nothing.
    if (record === undefined) logger.error("A token record is unreadable and counts as revoked", { key })
    table.load(key, record)
  }
  return table
}

/** A4: the file first. The former token of the node itself, if any, is revoked in the same commit. */
async function makeAdmin(table: TokenTable, options: TokensOptions): Promise<MadeAdmin> {
  const { documents, disk, clock, random, logger } = options
  const former = table.selfMade()
  const { entry, secret, record } = makeToken({ name: adminName, scopes: ["admin"] }, { clock, random, selfMade: true })
  await disk.replace(adminFile, new TextEncoder().encode(`${secret}\n`))
  await documents.put([record, ...table.bury(former, clock.now())]).durable
  for (const id of former) table.remove(id)
  table.set(entry.info.id, entry)
  const path = disk.absolute(adminFile)
  logger.info("An admin token was made", { token: entry.info.id, path, revoked: former })
  return { secret: new Secret(secret), path }
}
