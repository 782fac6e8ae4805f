/**
 * A certificate that the node makes for itself where nobody gives it one: P-256, signed by its own key, so that clients
 * trust it by its fingerprint or by its file. Its dates say nothing: whoever pins a key needs none, and a device whose
 * clock stands at its maker's date must be able to connect. [RFC 5280 4.1.2.5: 9999 is "no end"]
 */
import { createHash, createPublicKey, generateKeyPair, type KeyObject, sign } from "node:crypto"
import { isIP } from "node:net"
import { promisify } from "node:util"
import type { Random } from "@brume/core"
import {
  around,
  bits,
  type Der,
  identifier,
  instead,
  octets,
  positive,
  sequence,
  setOf,
  time,
  utf8,
  yes,
} from "./der.ts"

export interface OwnCertificateOptions {
  readonly random: Random
  /** Its common name; what is beyond 64 characters is cut. [RFC 5280 ub-common-name] */
  readonly name: string
  /** Names and IP addresses by which clients may call the node. */
  readonly hosts: readonly string[]
}

const notBefore = "20000101000000Z"
const notAfter = "99991231235959Z"
const mostHosts = 64

const oid = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const

/** A new private key in PEM. */
export async function makeKey(): Promise<KeyObject> {
  return (await promisify(generateKeyPair)("ec", { namedCurve: "P-256" })).privateKey
}

/** The certificate in PEM. */
export function makeCertificate(key: KeyObject, { random, name, hosts }: OwnCertificateOptions): string {
  const publicKey = createPublicKey(key).export({ type: "spki", format: "der" })
  const algorithm = sequence(identifier(oid.ecdsaWithSha256))
  const self = sequence(setOf(sequence(identifier(oid.commonName), utf8(name.slice(0, 64)))))
  const serial = random.bytes(16)
  const content = sequence(
    around(0, positive(Uint8Array.of(2))),
    // Positive and not longer than 20 bytes. [RFC 5280 4.1.2.2]
    positive(Uint8Array.of(1, ...serial)),
    algorithm,
    self,
    sequence(time(notBefore), time(notAfter)),
    self,
    publicKey,
    around(3, sequence(...extensions(publicKey, hosts))),
  )
  const certificate = sequence(content, algorithm, bits(sign("sha256", content, key)))
  const lines =
    Buffer.from(certificate)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
}

function extensions(publicKey: Uint8Array, hosts: readonly string[]): Der[] {
  const keyId = createHash("sha1").update(publicKey).digest()
  const names = [...new Set(hosts)].flatMap((host) => hostName(host) ?? []).slice(0, mostHosts)
  return [
    extension(oid.basicConstraints, sequence(), true),
    // No key usage: with one that lacks signing certificates, older OpenSSL does not take it as its own issuer.
    extension(oid.extendedKeyUsage, sequence(identifier(oid.serverAuth))),
    extension(oid.subjectKeyIdentifier, octets(keyId)),
    extension(oid.authorityKeyIdentifier, sequence(instead(0, keyId))),
    ...(names.length === 0 ? [] : [extension(oid.subjectAltName, sequence(...names))]),
  ]
}

function extension(id: string, value: Der, isCritical = false): Der {
  return sequence(identifier(id), ...(isCritical ? [yes] : []), octets(value))
}

/** A DNS name or an IP address; undefined for what is neither. */
function hostName(host: string): Der | undefined {
  if (isIP(host) !== 0) return instead(7, addressBytes(host))
  return /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$/.test(host) ? instead(2, Buffer.from(host)) : undefined
}

function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split("."), Number)
  const [head = "", tail] = address.replace(/%.*$/, "").split("::")
  const groups = (text: string): number[] =>
    text === ""
      ? []
      : text.split(":").flatMap((group) => {
          if (!group.includes(".")) return [Number.parseInt(group, 16)]
          const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number)
          return [a * 256 + b, c * 256 + d]
        })
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const between = new Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0)
  return Uint8Array.from([...before, ...between, ...after].flatMap((group) => [group >> 8, group & 0xff]))
}
