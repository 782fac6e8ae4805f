/**
 * Secrets: texts that functions may read by name, sealed in the log.
 *
 * - S1 The log has ciphertext alone: AES-256-GCM with the key in `secrets-key` of the data folder, which only its owner can
 *   read, and the secret's name as additional data, so that records cannot change places.
 * - S2 No API shows a value. A function gets those that its spec names, at the call.
 * - S3 A secret that was sealed with another key is told as such; it is not guessed at and not overwritten.
 */
import { createCipheriv, createDecipheriv } from "node:crypto"
import { type Clock, type Disk, FogError, type KeyedRecord, type Random, Secret, type SecretInfo } from "@brume/core"
import { secretNamePattern } from "./spec.ts"
import type { RecordStore } from "./table.ts"

export interface SecretsOptions {
  readonly store: RecordStore
  readonly disk: Pick<Disk, "read" | "replace">
  readonly clock: Clock
  readonly random: Random
}

interface Sealed {
  readonly created: number
  readonly changed: number
  /** base64: nonce, tag, ciphertext. */
  readonly sealed: string
}

const keyFile = "secrets-key"
const prefix = "secret/"
const algorithm = "aes-256-gcm"
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const mostValueBytes = 65_536
const mostSecrets = 1_000

export class Secrets {
  readonly #options: SecretsOptions
  readonly #key: Uint8Array
  readonly #sealed = new Map<string, Sealed>()

  private constructor(options: SecretsOptions, key: Uint8Array) {
    this.#options = options
    this.#key = key
    for (const [key, value] of options.store.entries("document")) {
      if (key.startsWith(prefix))
        this.#sealed.set(key.slice(prefix.length), JSON.parse(new TextDecoder().decode(value)) as Sealed)
    }
  }

  static async open(options: SecretsOptions): Promise<Secrets> {
    const { disk, random } = options
    let key = await disk.read(keyFile)
    if (key?.length !== keyBytes) {
      key = random.bytes(keyBytes)
      await disk.replace(keyFile, key)
    }
    return new Secrets(options, key)
  }

  /** By name. */
  list(): readonly SecretInfo[] {
    return [...this.#sealed]
      .map(([name, { created, changed }]) => ({ name, created, changed }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Durable when it resolves. Throws `secret_invalid`. */
  async set(name: string, value: Secret): Promise<SecretInfo> {
    const bytes = Buffer.from(value.reveal())
    const before = this.#sealed.get(name)
    const why = !secretNamePattern.test(name)
      ? "its name must be 1 to 63 letters, digits, ., _ and -"
      : bytes.length === 0 || bytes.length > mostValueBytes
        ? `its value must have 1 to ${mostValueBytes} bytes`
        : before === undefined && this.#sealed.size >= mostSecrets
          ? `${mostSecrets} secrets are kept, which is the limit`
          : undefined
    if (why !== undefined)
      throw new FogError("secret_invalid", {
        message: `The secret ${JSON.stringify(name.slice(0, 80))} cannot be kept: ${why}`,
        hint: "Secrets are described in docs/guide/functions.md.",
      })
    const changed = this.#options.clock.now()
    const sealed = { created: before?.created ?? changed, changed, sealed: this.#seal(name, bytes) }
    await this.#put(name, new TextEncoder().encode(JSON.stringify(sealed)))
    this.#sealed.set(name, sealed)
    return { name, created: sealed.created, changed }
  }

  /** Throws `secret_not_found`. */
  async delete(name: string): Promise<void> {
    if (!this.#sealed.has(name)) throw notFound(name)
    await this.#put(name, undefined)
    this.#sealed.delete(name)
  }

  /** Throws `secret_not_found` and `secret_unreadable`. */
  reveal(name: string): Secret {
    const entry = this.#sealed.get(name)
    if (entry === undefined) throw notFound(name)
    const bytes = Buffer.from(entry.sealed, "base64")
    try {
      const decipher = createDecipheriv(algorithm, this.#key, bytes.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
      const opened = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()])
      return new Secret(opened.toString())
    } catch (cause) {
      throw new FogError("secret_unreadable", {
        message: `The secret ${name} was sealed with another key than the one in ${keyFile} of the data folder`,
        hint: `Bring that file back, or set the secret anew: brume secret set ${name}`,
        cause,
      })
    }
  }

  #seal(name: string, bytes: Uint8Array): string {
    const nonce = this.#options.random.bytes(nonceBytes)
    const cipher = createCipheriv(algorithm, this.#key, nonce, { authTagLength: tagBytes })
    cipher.setAAD(Buffer.from(name))
    const sealed = Buffer.concat([cipher.update(bytes), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64")
  }

  async #put(name: string, value: Uint8Array | undefined): Promise<void> {
    const record: KeyedRecord = { kind: "document", key: prefix + name, value }
    await this.#options.store.put([record]).durable
  }
}

function notFound(name: string): FogError {
  return new FogError("secret_not_found", {
    message: `There is no secret ${JSON.stringify(name.slice(0, 80))}`,
    hint: `Set it: brume secret set ${name.slice(0, 80)}`,
  })
}
