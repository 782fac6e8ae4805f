/** Secrets that functions may read. Needs the scope `admin`; nothing shows their values. */
import { foreignAnswer } from "./problem.ts"
import { expectObject, type Transport } from "./transport.ts"

/** Times are ISO 8601. */
export interface SecretView {
  readonly name: string
  readonly created: string
  readonly changed: string
}

export interface SecretRoom {
  list(): Promise<SecretView[]>
  /** Replaces an earlier value. Throws `secret_invalid`. */
  set(name: string, value: string): Promise<SecretView>
  /** Throws `secret_not_found`. */
  delete(name: string): Promise<void>
}

const path = "v1/secrets"

export function createSecrets(transport: Transport): SecretRoom {
  const { base } = transport
  return {
    async list() {
      const answer = expectObject(await transport.json({ method: "GET", path, isIdempotent: true }), base)
      if (!Array.isArray(answer.secrets)) throw foreignAnswer(base.href, "its answer has no secrets")
      return answer.secrets as SecretView[]
    },
    async set(name, value) {
      const answer = await transport.json({
        ...{ method: "POST", path, headers: { "content-type": "application/json" } },
        body: JSON.stringify({ name, value }),
        isIdempotent: true,
      })
      return expectObject(answer, base) as unknown as SecretView
    },
    async delete(name) {
      await transport.json({ method: "DELETE", path: `${path}/${encodeURIComponent(name)}`, isIdempotent: false })
    },
  }
}
