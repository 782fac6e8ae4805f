/** Which client certificate a TLS connection has shown. */
import type { DetailedPeerCertificate, PeerCertificate } from "node:tls"

/** What is needed of `tls.TLSSocket`. */
export interface CertifiedSocket {
  /** Whether an authority that the listener believes has signed the client's certificate. */
  readonly authorized: boolean
  getPeerCertificate(): PeerCertificate | DetailedPeerCertificate
}

export interface ClientCertificate {
  /** Its common name, or where it has none its first alternative name. */
  readonly name: string
  /** SHA-256 as `AB:CD:…`. */
  readonly fingerprint: string
}

/** undefined without a certificate, with one that nobody believed has signed, and with one that names nobody. */
export function clientCertificateOf(socket: CertifiedSocket): ClientCertificate | undefined {
  if (!socket.authorized) return undefined
  const certificate: Partial<PeerCertificate> = socket.getPeerCertificate()
  // A name may stand there more than once, and then it is a list.
  const [common] = [certificate.subject?.CN ?? []].flat() as string[]
  const name = common !== undefined && common !== "" ? common : firstAlternative(certificate.subjectaltname)
  if (name === undefined || certificate.fingerprint256 === undefined) return undefined
  return { name, fingerprint: certificate.fingerprint256 }
}

/** `DNS:a, URI:urn:b`; Node.js writes a name in quotes, as JSON, where it could be taken for more than one. */
function firstAlternative(names: string | undefined): string | undefined {
  const [, quoted, plain] = /^(?:DNS|URI|email|IP Address):(?:("(?:[^"\\]|\\.)*")|([^,]+))/.exec(names ?? "") ?? []
  return quoted === undefined ? plain : (JSON.parse(quoted) as string)
}
