/** Credentials of a node: what devices sign in with over MQTT. Needs the scope `admin`. */
import type { CertificateMapping, Permissions } from "@brume/core"
import { foreignAnswer } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** A credential as it is listed: never its password. Times are ISO 8601. */
export interface CredentialView {
  readonly username: string
  /** Filters with MQTT wildcards; `%u` stands for the username, `%c` for the client id. */
  readonly permissions: Permissions
  readonly created: string
  /** When its password, permissions or state were last changed. */
  readonly changed?: string
  readonly disabled: boolean
  /** Signs in by a client certificate, and has no password. */
  readonly certificate?: CertificateMapping
}

export interface NewCredential {
  readonly username: string
  /** @default one that the node makes, and shows this once */
  readonly password?: string
  /** @default `devices/%u` and `devices/%u/#` in both lists */
  readonly permissions?: Partial<Permissions>
  /** Signs in by a client certificate instead; its name is the username unless another is given. */
  readonly certificate?: Partial<CertificateMapping>
}

export interface CredentialChange {
  /** A list that is left out stays as it is. */
  readonly permissions?: Partial<Permissions>
  readonly disabled?: boolean
}

export interface CreatedCredential extends CredentialView {
  /** The password that the node made, shown this once; missing where it was given or where there is none. */
  readonly password?: string
}

export interface CredentialRoom {
  /** By username; asks for further pages as you go on. */
  list(options?: { readonly signal?: AbortSignal }): AsyncGenerator<CredentialView, void, undefined>
  /** Throws `credential_invalid` and `credential_exists`. */
  create(credential: NewCredential): Promise<CreatedCredential>
  /** Ends its connections, which may come back with what is in force then. Throws `credential_not_found`. */
  change(username: string, change: CredentialChange): Promise<CredentialView>
  /** A new password in place of the former, made by the node unless it is given. Throws `credential_not_found`. */
  rotate(username: string, password?: string): Promise<CreatedCredential>
  /** In force at once, also for open connections. Throws `credential_not_found`. */
  revoke(username: string): Promise<void>
}

const path = "v1/credentials"

export function createCredentials(transport: Transport): CredentialRoom {
  const { base } = transport
  /** A second attempt after a lost answer would leave a password that nobody knows. */
  const send = async (method: "POST" | "PATCH" | "DELETE", where: string, body?: object) =>
    await transport.json({
      method,
      path: where,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      isIdempotent: false,
    })
  const withPassword = (answer: unknown): CreatedCredential => {
    const { credential, password } = expectObject(answer, base)
    return { ...expectObject(credential, base), ...(password === undefined ? {} : { password }) } as CreatedCredential
  }
  const of = (username: string): string => `${path}/${encodeURIComponent(username)}`
  return {
    async *list({ signal } = {}) {
      let cursor: string | undefined
      do {
        const search = new URLSearchParams(cursor === undefined ? {} : { cursor })
        const page = expectObject(
          await transport.json({ method: "GET", path, search, isIdempotent: true, signal }),
          base,
        )
        if (!Array.isArray(page.credentials)) throw foreignAnswer(base.href, "its answer has no credentials")
        yield* page.credentials as CredentialView[]
        cursor = typeof page.cursor === "string" ? page.cursor : undefined
      } while (cursor !== undefined)
    },
    create: async (credential) => withPassword(await send("POST", path, credential)),
    async change(username, change) {
      return expectObject(await send("PATCH", of(username), change), base) as unknown as CredentialView
    },
    async rotate(username, password) {
      return withPassword(await send("POST", `${of(username)}/password`, password === undefined ? {} : { password }))
    },
    async revoke(username) {
      await send("DELETE", of(username))
    },
  }
}
