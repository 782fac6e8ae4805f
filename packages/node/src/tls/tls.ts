/**
 * What a TLS listener needs: a certificate with its key, from files or the node's own, and whom it believes of clients.
 *
 * - T1 A listener never starts, and never goes on, with a certificate and a key that do not belong together.
 * - T2 Files that change are read again within `lookMs`; what cannot be used is logged, and the former stays in force.
 * - T3 The node's own key is made once, 0600 in the data folder, and never leaves it. A certificate that is missing is made
 *   anew with the same key.
 *
 * It opens no socket: the listener takes `listenerOptions`, and each later `SecureContextOptions` from `onChanged`.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { createSecureContext, type SecureContextOptions, type TlsOptions } from "node:tls"
import { type Clock, type Disk, FogError, type Logger, type Random, type Timer } from "@brume/core"
import { makeCertificate, makeKey } from "./own-certificate.ts"

export interface TlsFiles {
  /** PEM, the chain behind it; together with its key, or neither. */
  readonly certificateFile: string | undefined
  readonly keyFile: string | undefined
  /** PEM; clients are asked for a certificate where it is given, and may come without. */
  readonly clientAuthorityFile: string | undefined
}

export interface TlsOptionsOf {
  readonly files: TlsFiles
  /** Reads a file that the operator named, by its absolute path. */
  readonly readFile: (path: string) => Promise<Uint8Array>
  readonly disk: Pick<Disk, "read" | "replace" | "makeFolder" | "absolute">
  /** Common name of the node's own certificate. */
  readonly name: string
  /** Names and addresses by which clients may call the node, beside localhost. */
  readonly hosts: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface OpenedTls {
  /** For `tls.createServer`. Whether a client's certificate is good is in the socket's `authorized`. */
  readonly listenerOptions: TlsOptions
  /** SHA-256 of the certificate in force, as `AB:CD:…`. */
  readonly fingerprint: string
  /** Called with what is to go to `server.setSecureContext`. Returns the function that ends the subscription. */
  onChanged(listener: (context: SecureContextOptions) => void): () => void
  /** Looks at the files now; true when something else is in force since. */
  reload(): Promise<boolean>
  /** Looks no more. Idempotent. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** What is in force, in PEM. */
interface Material {
  readonly certificate: string
  readonly key: string
  readonly authority: string | undefined
}

/** How often files are looked at. */
const lookMs = 60_000
const folder = "tls"
const ownKey = `${folder}/key.pem`
const ownCertificate = `${folder}/certificate.pem`
const protocol = { minVersion: "TLSv1.2" } as const

/** Throws `tls_invalid`, naming the file. */
export async function openTls(options: TlsOptionsOf): Promise<OpenedTls> {
  const { clock, logger } = options
  let material = await readMaterial(options)
  let fingerprint = checked(material)
  const listeners = new Set<(context: SecureContextOptions) => void>()
  let timer: Timer | undefined
  let isClosed = false
  logger.info("TLS has its certificate", {
    fingerprint,
    certificate: options.files.certificateFile ?? options.disk.absolute(ownCertificate),
  })

  const reload = async (): Promise<boolean> => {
    const read = await readMaterial(options)
    if (isSame(read, material)) return false
    fingerprint = checked(read)
    material = read
    logger.info("TLS has another certificate", { fingerprint })
    for (const listener of [...listeners]) listener(contextOf(material))
    return true
  }
  const look = (): void => {
    timer = clock.after(lookMs, () => {
      // T2: half of a pair may have been replaced; the next look finds both.
      reload()
        .catch((error: unknown) => logger.error("The files of TLS cannot be used; the former stay", { error }))
        .finally(() => {
          if (!isClosed) look()
        })
    })
  }
  if (Object.values(options.files).some((file) => file !== undefined)) look()

  const close = async (): Promise<void> => {
    isClosed = true
    timer?.cancel()
  }
  return {
    get listenerOptions() {
      const asks = material.authority !== undefined
      return { ...contextOf(material), requestCert: asks, rejectUnauthorized: false }
    },
    get fingerprint() {
      return fingerprint
    },
    onChanged(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    reload,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function readMaterial(options: TlsOptionsOf): Promise<Material> {
  const { certificateFile, keyFile, clientAuthorityFile } = options.files
  const own = certificateFile === undefined || keyFile === undefined ? await ownPair(options) : undefined
  return {
    certificate: own?.certificate ?? (await readPem(certificateFile!, options)),
    key: own?.key ?? (await readPem(keyFile!, options)),
    authority: clientAuthorityFile === undefined ? undefined : await readPem(clientAuthorityFile, options),
  }
}

/** T3: the key first, so that a crash between leaves one that the next start goes on with. */
async function ownPair(options: TlsOptionsOf): Promise<{ readonly certificate: string; readonly key: string }> {
  const { disk, logger, random, name, hosts } = options
  const [foundKey, foundCertificate] = [await disk.read(ownKey), await disk.read(ownCertificate)].map((bytes) =>
    bytes === undefined ? undefined : Buffer.from(bytes).toString(),
  )
  const known = foundKey === undefined ? undefined : parsedKey(foundKey)
  if (foundKey !== undefined && known === undefined)
    logger.warn("The node's own key is damaged; clients that pinned it must learn the new one", {
      path: disk.absolute(ownKey),
    })
  if (known !== undefined && foundCertificate !== undefined && isPair(foundCertificate, known))
    return { certificate: foundCertificate, key: foundKey! }
  const key = known ?? (await makeKey())
  const keyText = key.export({ type: "pkcs8", format: "pem" }).toString()
  const certificate = makeCertificate(key, { random, name, hosts: ["localhost", "127.0.0.1", "::1", ...hosts] })
  await disk.makeFolder(folder)
  if (known === undefined) await disk.replace(ownKey, Buffer.from(keyText))
  await disk.replace(ownCertificate, Buffer.from(certificate))
  logger.info("The node made a certificate for itself", { path: disk.absolute(ownCertificate) })
  return { certificate, key: keyText }
}

function parsedKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text)
  } catch {
    return undefined
  }
}

function isPair(certificate: string, key: KeyObject): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(key)
  } catch {
    return false
  }
}

async function readPem(path: string, { readFile }: TlsOptionsOf): Promise<string> {
  try {
    return Buffer.from(await readFile(path)).toString()
  } catch (cause) {
    throw invalid(`Cannot read ${path}: ${(cause as Error).message}`, cause)
  }
}

/** The fingerprint, when all of it can be used. (T1) */
function checked(material: Material): string {
  try {
    createSecureContext(contextOf(material))
    return new X509Certificate(material.certificate).fingerprint256
  } catch (cause) {
    throw invalid(`The certificate, its key or the client authority cannot be used: ${(cause as Error).message}`, cause)
  }
}

function contextOf({ certificate, key, authority }: Material): SecureContextOptions {
  return { cert: certificate, key, ...(authority === undefined ? {} : { ca: authority }), ...protocol }
}

function isSame(a: Material, b: Material): boolean {
  return a.certificate === b.certificate && a.key === b.key && a.authority === b.authority
}

function invalid(message: string, cause: unknown): FogError {
  return new FogError("tls_invalid", {
    message,
    hint: "Each file is PEM, the key without a passphrase; see mqtt.tls in docs/reference/config.md.",
    cause,
  })
}
