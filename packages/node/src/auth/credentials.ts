/**
 * Credentials of devices: a username with a password or a certificate, and what it may publish and subscribe.
 *
 * A credential is a document record (`credential/<username>`) in the store's log.
 *
 * - K1 No password is stored or logged, only its hash (password.ts); one that the node made exists in the answer alone.
 * - K2 Revocation is monotone, as a token's is (A3): a tombstone revokes all that was made under the username until
 *   then. A credential that is made anew under it is younger than the tombstone, so that a merge can tell them apart.
 * - K3 Every other change is in force as soon as it is durable, and then whoever used the former state is told.
 * - K4 Changes of one username happen one after the other.
 */
import {
  type Clock,
  type CredentialInfo,
  type Credentials,
  type CredentialWithPassword,
  FogError,
  type KeyedKind,
  type KeyedRecord,
  type Logger,
  type Random,
} from "@brume/core"
import { type CredentialEntry, credentialPrefix, credentialRecord, readCredential } from "./credential-record.ts"
import {
  admitCredentialRequest,
  checkCredentialChange,
  checkPassword,
  distinct,
  invalid,
} from "./credential-request.ts"
import { CredentialTable } from "./credential-table.ts"
import type { Hashing } from "./hashing.ts"
import { fastHash, makePassword, type StoredPassword } from "./password.ts"
import { Turns } from "./turns.ts"

export interface CredentialsOptions {
  readonly documents: {
    entries(kind: KeyedKind): Iterable<readonly [key: string, value: Uint8Array]>
    put(records: readonly KeyedRecord[]): { readonly durable: Promise<void> }
  }
  readonly hashing: Pick<Hashing, "hash">
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly maxCredentials: number
}

export interface OpenedCredentials extends Credentials {
  /** One that may be used now; undefined when it is unknown, revoked or disabled. */
  find(username: string): CredentialEntry | undefined
  /** The same by the name of a client certificate. */
  findByCertificate(name: string): CredentialEntry | undefined
  /** Called whenever a credential is revoked or changed. Returns the function that ends the subscription. */
  onChanged(listener: (username: string) => void): () => void
}

export function openCredentials(options: CredentialsOptions): OpenedCredentials {
  const { documents, clock, random, logger } = options
  const table = load(options)
  const turns = new Turns()
  const listeners = new Set<(username: string) => void>()
  const tell = (username: string): void => {
    for (const listener of [...listeners]) listener(username)
  }

  /** Replaces what is in force by what `change` makes of it. (K3, K4) */
  const replace = (username: string, change: (entry: CredentialEntry) => Promise<CredentialEntry>) =>
    turns.take(username, async () => {
      const changed = await change(table.get(username) ?? unknown(username))
      // Revoked while its new password was hashed: nothing may be written over the tombstone.
      if (table.get(username) === undefined) unknown(username)
      await documents.put([credentialRecord(changed)]).durable
      table.set(username, changed)
      tell(username)
      return changed
    })

  const newPassword = async (given: string | undefined): Promise<Made> => {
    if (given !== undefined) return { stored: await options.hashing.hash(Buffer.from(given)), shown: undefined }
    const made = makePassword(random)
    return { stored: fastHash(Buffer.from(made), random), shown: made }
  }

  return {
    find(username) {
      const entry = table.get(username)
      return entry?.info.disabled === true ? undefined : entry
    },
    findByCertificate(name) {
      const entry = table.byCertificate(name)
      return entry?.info.disabled === true ? undefined : entry
    },
    onChanged(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    list: () => table.list(),

    async create(request) {
      const { username, password, permissions, certificate } = admitCredentialRequest(request)
      return await turns.take(username, async () => {
        table.admit(username, certificate, options.maxCredentials)
        try {
          const made = certificate === undefined ? await newPassword(password) : undefined
          // K2: the clock may stand before the tombstone.
          const created = Math.max(clock.now(), (table.revokedAt(username) ?? 0) + 1)
          const info: CredentialInfo = {
            username,
            permissions,
            created,
            disabled: false,
            ...(certificate === undefined ? {} : { certificate }),
          }
          const entry: CredentialEntry = { info, password: made?.stored }
          await documents.put([credentialRecord(entry)]).durable
          table.remove(username)
          table.set(username, entry)
          logger.info("A credential was made", { username })
          return { info, password: made?.shown }
        } finally {
          table.leave(certificate)
        }
      })
    },

    async change(username, change) {
      checkCredentialChange(change)
      const { permissions, disabled } = change
      const { info } = await replace(username, async ({ info: former, password }) => ({
        info: {
          ...former,
          permissions: { ...former.permissions, ...distinct(permissions) },
          disabled: disabled ?? former.disabled,
          changed: clock.now(),
        },
        password,
      }))
      logger.info("A credential was changed", { username, disabled: info.disabled })
      return info
    },

    async rotate(username, password): Promise<CredentialWithPassword> {
      checkPassword(password)
      let shown: string | undefined
      const { info } = await replace(username, async ({ info: former }) => {
        if (former.certificate !== undefined)
          throw invalid(`The credential ${username} has no password to rotate`, ["it signs in by a certificate"])
        const made = await newPassword(password)
        shown = made.shown
        return { info: { ...former, changed: clock.now() }, password: made.stored }
      })
      logger.info("A credential's password was rotated", { username })
      return { info, password: shown }
    },

    async revoke(username) {
      if (table.revoke(username) === undefined) unknown(username)
      tell(username)
      await turns.take(username, async () => {
        await documents.put([...table.bury([username], clock.now())]).durable
        table.remove(username)
      })
      logger.info("A credential was revoked", { username })
    },
  }
}

interface Made {
  readonly stored: StoredPassword
  /** undefined where the caller knows it. */
  readonly shown: string | undefined
}

function load({ documents, logger }: CredentialsOptions): CredentialTable {
  const table = new CredentialTable()
  for (const [key, value] of documents.entries("document")) {
    if (!key.startsWith(credentialPrefix)) continue
    const name = key.slice(credentialPrefix.length)
    const record = readCredential(key, value)
    // Fewer rights when in doubt: what cannot be read opens nothing.
    if (record === undefined) logger.error("A credential record is unreadable and counts as revoked", { key })
    else if ("entry" in record) table.set(name, record.entry)
    else table.loadTombstone(name, record.revoked)
  }
  return table
}

function unknown(username: string): never {
  throw new FogError("credential_not_found", {
    message: `No credential has the username ${JSON.stringify(username.slice(0, 64))}`,
    hint: "List them with `brume credential list`.",
  })
}
