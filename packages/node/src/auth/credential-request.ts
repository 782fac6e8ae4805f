/** Checks the description of a credential; it comes from outside. */
import {
  type CertificateMapping,
  type CredentialChange,
  type CredentialRequest,
  defaultPermissions,
  FogError,
  filterProblem,
  maxNameLength,
  type Permissions,
} from "@brume/core"

const mostFilters = 64
const longestUsername = 200
/** Bytes. */
export const longestPassword = 1_024
const shortestPassword = 8

/** With what it leaves out. */
export interface AdmittedCredential {
  readonly username: string
  readonly password: string | undefined
  readonly permissions: Permissions
  readonly certificate: CertificateMapping | undefined
}

/** Throws `credential_invalid` with all its mistakes. */
export function admitCredentialRequest(request: CredentialRequest): AdmittedCredential {
  const { username, password, permissions, certificate } = request
  const mistakes = [
    ...usernameMistakes(username),
    ...passwordMistakes(password),
    ...permissionMistakes(permissions),
    ...certificateMistakes(certificate),
  ]
  if (password !== undefined && certificate !== undefined)
    mistakes.push("it has both a password and a certificate, and one of them is enough")
  if (mistakes.length > 0) throw invalid("The new credential is malformed", mistakes)
  return {
    username,
    password,
    permissions: { ...defaultPermissions, ...distinct(permissions) },
    certificate: certificate === undefined ? undefined : mappingOf(certificate, username),
  }
}

/** Throws `credential_invalid`. */
export function checkCredentialChange({ permissions, disabled }: CredentialChange): void {
  const mistakes = permissionMistakes(permissions)
  if (disabled !== undefined && typeof disabled !== "boolean") mistakes.push("disabled is neither true nor false")
  if (permissions === undefined && disabled === undefined) mistakes.push("it changes nothing")
  if (mistakes.length > 0) throw invalid("The change of the credential is malformed", mistakes)
}

/** Throws `credential_invalid`. */
export function checkPassword(password: string | undefined): void {
  const mistakes = passwordMistakes(password)
  if (mistakes.length > 0) throw invalid("The new password is malformed", mistakes)
}

/** Each filter once. */
export function distinct(given: Partial<Permissions> | undefined): Partial<Permissions> {
  const { publish, subscribe } = given ?? {}
  return {
    ...(publish === undefined ? {} : { publish: [...new Set(publish)] }),
    ...(subscribe === undefined ? {} : { subscribe: [...new Set(subscribe)] }),
  }
}

export function invalid(what: string, mistakes: readonly string[]): FogError {
  return new FogError("credential_invalid", {
    message: `${what}: ${mistakes.join("; ")}`,
    hint: "A credential has a username, a password or a certificate, and may have filters to publish and subscribe.",
    details: { mistakes },
  })
}

/** Its name stands in topics, where these characters would mean more than themselves. */
function usernameMistakes(username: unknown): string[] {
  if (typeof username !== "string" || username === "") return ["its username is missing"]
  if (username.length > longestUsername) return [`its username is longer than ${longestUsername} characters`]
  if (/\p{Surrogate}/u.test(username)) return ["its username is no Unicode text"]
  if (/\p{Cc}/u.test(username)) return ["its username has control characters"]
  if (/[+#]/.test(username)) return ["its username has + or #, which are wildcards in topics"]
  return username.startsWith("$") ? ["its username begins with $, as topics of the node do"] : []
}

function passwordMistakes(password: unknown): string[] {
  if (password === undefined) return []
  if (typeof password !== "string") return ["its password is no text"]
  if (password.length < shortestPassword) return [`its password is shorter than ${shortestPassword} characters`]
  if (Buffer.byteLength(password) > longestPassword) return [`its password is longer than ${longestPassword} bytes`]
  if (/\p{Surrogate}/u.test(password)) return ["its password is no Unicode text"]
  return password.startsWith("brume_") ? ["its password begins with brume_, as the secrets of tokens do"] : []
}

function permissionMistakes(permissions: unknown): string[] {
  if (permissions === undefined) return []
  if (typeof permissions !== "object" || permissions === null) return ["its permissions are no object"]
  const { publish, subscribe } = permissions as Partial<Record<keyof Permissions, unknown>>
  return [...filterMistakes("publish", publish), ...filterMistakes("subscribe", subscribe)]
}

function filterMistakes(list: string, filters: unknown): string[] {
  if (filters === undefined) return []
  if (!Array.isArray(filters)) return [`${list} is no list`]
  if (filters.length > mostFilters) return [`${list} has more than ${mostFilters} filters`]
  return filters.flatMap((filter: unknown) => {
    const problem = typeof filter === "string" ? permissionProblem(filter) : "is no text"
    return problem === undefined ? [] : [`the ${list} filter ${JSON.stringify(String(filter).slice(0, 80))} ${problem}`]
  })
}

function permissionProblem(filter: string): string | undefined {
  if (filter.length > maxNameLength) return `is longer than ${maxNameLength} characters`
  if (/[\p{Surrogate}\p{Cc}]/u.test(filter)) return "has characters that no topic should have"
  if (filter.startsWith("$share/")) return "names a shared subscription; give the filter inside it"
  return filterProblem(filter)
}

function certificateMistakes(certificate: unknown): string[] {
  if (certificate === undefined) return []
  if (typeof certificate !== "object" || certificate === null) return ["its certificate is no object"]
  const { name, fingerprint } = certificate as Partial<Record<keyof CertificateMapping, unknown>>
  const mistakes: string[] = []
  if (name !== undefined && (typeof name !== "string" || name === "" || name.length > maxNameLength))
    mistakes.push(`its certificate's name is no text of 1 to ${maxNameLength} characters`)
  if (fingerprint !== undefined && (typeof fingerprint !== "string" || plainFingerprint(fingerprint) === undefined))
    mistakes.push("its certificate's fingerprint is no SHA-256 in hex")
  return mistakes
}

function mappingOf({ name, fingerprint }: Partial<CertificateMapping>, username: string): CertificateMapping {
  const plain = fingerprint === undefined ? undefined : plainFingerprint(fingerprint)
  return { name: name ?? username, ...(plain === undefined ? {} : { fingerprint: plain }) }
}

/** As openssl and Node.js write it, `AB:CD:…`, or without colons. */
export function plainFingerprint(written: string): string | undefined {
  const plain = written.replaceAll(":", "").toLowerCase()
  return /^[0-9a-f]{64}$/.test(plain) ? plain : undefined
}
