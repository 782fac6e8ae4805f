/** The credentials of a node in memory. */
import { type CertificateMapping, type CredentialInfo, FogError } from "@brume/core"
import { type CredentialEntry, credentialPrefix } from "./credential-record.ts"
import { invalid } from "./credential-request.ts"
import { RevocableTable } from "./revocable-table.ts"

export class CredentialTable extends RevocableTable<CredentialEntry> {
  /** Usernames by the names of their certificates. */
  readonly #byCertificate = new Map<string, string>()
  /** Names of certificates whose credentials are being made. */
  readonly #making = new Set<string>()

  constructor() {
    super(credentialPrefix)
  }

  override set(username: string, entry: CredentialEntry): void {
    super.set(username, entry)
    const name = entry.info.certificate?.name
    if (name !== undefined) this.#byCertificate.set(name, username)
  }

  override remove(username: string): void {
    const name = this.held(username)?.info.certificate?.name
    if (name !== undefined && this.#byCertificate.get(name) === username) this.#byCertificate.delete(name)
    super.remove(username)
  }

  byCertificate(name: string): CredentialEntry | undefined {
    const username = this.#byCertificate.get(name)
    return username === undefined ? undefined : this.get(username)
  }

  /** By username. */
  list(): CredentialInfo[] {
    const infos = [...this.inForce()].map((entry) => entry.info)
    return infos.sort((a, b) => (a.username < b.username ? -1 : 1))
  }

  /** Takes a place for a credential that is being made, until `leave`. Throws `credential_exists` and `credential_invalid`. */
  admit(username: string, certificate: CertificateMapping | undefined, limit: number): void {
    if (this.get(username) !== undefined)
      throw new FogError("credential_exists", {
        message: `There is a credential ${JSON.stringify(username)} already`,
        hint: "Give it a new password with `brume credential rotate`, or revoke it first.",
      })
    const name = certificate?.name
    if (name !== undefined && (this.byCertificate(name) !== undefined || this.#making.has(name)))
      throw invalid(`The certificate ${JSON.stringify(name)} cannot stand for ${username}`, [
        "it stands for another credential already",
      ])
    if (!this.reserve(limit))
      throw invalid(`This node has ${this.size} credentials already`, ["auth.maxCredentials allows no more"])
    if (name !== undefined) this.#making.add(name)
  }

  leave(certificate: CertificateMapping | undefined): void {
    this.release()
    if (certificate !== undefined) this.#making.delete(certificate.name)
  }
}
