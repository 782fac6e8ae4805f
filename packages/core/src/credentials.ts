/** Who may connect over MQTT: credentials of devices, and bans. Times are µs since 1970 UTC. */

/** Filters with MQTT wildcards, in which `%u` stands for the username and `%c` for the client id. */
export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** What a credential may do that says nothing of it: its own device, and what is below it. */
export const defaultPermissions: Permissions = {
  publish: ["devices/%u", "devices/%u/#"],
  subscribe: ["devices/%u", "devices/%u/#"],
}

/** Which client certificate stands for a credential. */
export interface CertificateMapping {
  /** The certificate's common name, or where it has none its first alternative name. */
  readonly name: string
  /** SHA-256 of the certificate in hex, where only this one is meant and not what replaces it. */
  readonly fingerprint?: string
}

/** A credential as it is listed: never its password. */
export interface CredentialInfo {
  readonly username: string
  readonly permissions: Permissions
  readonly created: number
  /** When its password, permissions or state were last changed. */
  readonly changed?: number
  readonly disabled: boolean
  /** Signs in by a certificate, and has no password. */
  readonly certificate?: CertificateMapping
}

export interface CredentialRequest {
  readonly username: string
  /** Made by the node when left out, and then shown this once. */
  readonly password?: string
  /** What is left out is {@link defaultPermissions}. */
  readonly permissions?: Partial<Permissions>
  /** Signs in by a certificate instead of a password; its name is the username unless another is given. */
  readonly certificate?: Partial<CertificateMapping>
}

/** What is left out stays. */
export interface CredentialChange {
  readonly permissions?: Partial<Permissions>
  readonly disabled?: boolean
}

export interface CredentialWithPassword {
  readonly info: CredentialInfo
  /** The password that the node made; undefined where it was given, or where a certificate takes its place. */
  readonly password: string | undefined
}

/** The credentials of a node. All is durable when a promise resolves; connections of what changed are ended. */
export interface Credentials {
  /** Throws `credential_invalid` and `credential_exists`. */
  create(request: CredentialRequest): Promise<CredentialWithPassword>
  /** By username. */
  list(): CredentialInfo[]
  /** Throws `credential_not_found` and `credential_invalid`. */
  change(username: string, change: CredentialChange): Promise<CredentialInfo>
  /** A new password in place of the former. Throws `credential_not_found` and `credential_invalid`. */
  rotate(username: string, password?: string): Promise<CredentialWithPassword>
  /** In force from the call on. Throws `credential_not_found`. */
  revoke(username: string): Promise<void>
}

export const banKinds = ["address", "client", "username"] as const
export type BanKind = (typeof banKinds)[number]

/** What may not connect over MQTT. */
export interface Ban {
  readonly kind: BanKind
  /** An IP address, a client id or a username. */
  readonly value: string
  readonly created: number
  /** Never ends without it. */
  readonly expires?: number
  readonly reason?: string
}

export type BanRequest = Omit<Ban, "created">

export interface Bans {
  /** Ends its connections and is durable when it resolves; replaces what was said of the same before. Throws `ban_invalid`. */
  add(request: BanRequest): Promise<Ban>
  /** Those that are in force, by kind and value. */
  list(): Ban[]
  /** Durable when it resolves. Throws `ban_not_found`. */
  remove(kind: BanKind, value: string): Promise<void>
}
