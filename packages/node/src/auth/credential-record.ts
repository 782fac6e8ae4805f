/** A credential as it lies in the log. */
import type { CertificateMapping, CredentialInfo, KeyedRecord, Permissions } from "@brume/core"
import { isStoredPassword, type StoredPassword } from "./password.ts"
import { documentOf, parseDocument } from "./revocable-table.ts"

export const credentialPrefix = "credential/"

/** A credential in memory. Any change makes another object of it. */
export interface CredentialEntry {
  readonly info: CredentialInfo
  /** undefined where a certificate takes its place. */
  readonly password: StoredPassword | undefined
}

export type CredentialRecord = { readonly entry: CredentialEntry } | { readonly revoked: number }

/** What the record says, as JSON; the username is its key. */
interface StoredCredential {
  readonly permissions: Permissions
  readonly created: number
  readonly changed?: number
  readonly disabled?: true
  readonly certificate?: CertificateMapping
  readonly password?: StoredPassword
}

export function credentialRecord({ info, password }: CredentialEntry): KeyedRecord {
  const { username, permissions, created, changed, disabled, certificate } = info
  const stored: StoredCredential = {
    permissions,
    created,
    ...(changed === undefined ? {} : { changed }),
    ...(disabled ? { disabled } : {}),
    ...(certificate === undefined ? {} : { certificate }),
    ...(password === undefined ? {} : { password }),
  }
  return documentOf(credentialPrefix + username, stored)
}

/** undefined when the record is not what this module writes. */
export function readCredential(key: string, value: Uint8Array): CredentialRecord | undefined {
  const stored = parseDocument(value)
  if (stored === undefined) return undefined
  if ("revoked" in stored) return { revoked: Number(stored.revoked) }
  if (!isStoredCredential(stored)) return undefined
  const { password, disabled = false, ...rest } = stored
  return { entry: { info: { username: key.slice(credentialPrefix.length), ...rest, disabled }, password } }
}

function isStoredCredential(stored: object): stored is StoredCredential {
  const given = stored as Partial<Record<keyof StoredCredential, unknown>>
  const { permissions, created, changed, disabled, certificate, password } = given
  return (
    isPermissions(permissions) &&
    typeof created === "number" &&
    (changed === undefined || typeof changed === "number") &&
    (disabled === undefined || disabled === true) &&
    (certificate === undefined || isCertificate(certificate)) &&
    (password === undefined ? certificate !== undefined : isStoredPassword(password))
  )
}

function isPermissions(value: unknown): value is Permissions {
  const { publish, subscribe } = (value ?? {}) as Partial<Record<keyof Permissions, unknown>>
  const isTexts = (list: unknown): boolean => Array.isArray(list) && list.every((item) => typeof item === "string")
  return isTexts(publish) && isTexts(subscribe)
}

function isCertificate(value: unknown): value is CertificateMapping {
  const { name, fingerprint } = (value ?? {}) as Partial<Record<keyof CertificateMapping, unknown>>
  return typeof name === "string" && (fingerprint === undefined || typeof fingerprint === "string")
}
