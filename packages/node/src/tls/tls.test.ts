import { execFile } from "node:child_process"
import { createPublicKey, X509Certificate } from "node:crypto"
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type ConnectionOptions,
  connect,
  createServer,
  type PeerCertificate,
  type Server,
  type TLSSocket,
} from "node:tls"
import { promisify } from "node:util"
import { isFogError } from "@brume/core"
import { MemoryDisk, SeededRandom, SilentLogger, VirtualClock } from "@brume/testkit"
import { expect, onTestFinished, type TestContext, test } from "vitest"
import { openDisk } from "../disk/disk.ts"
import { clientCertificateOf } from "./client-certificate.ts"
import { makeCertificate, makeKey } from "./own-certificate.ts"
import { openTls, type TlsFiles, type TlsOptionsOf } from "./tls.ts"

const run = promisify(execFile)
const noFiles: TlsFiles = { certificateFile: undefined, keyFile: undefined, clientAuthorityFile: undefined }

/** A machine whose operator's files are in a map. */
class Machine {
  readonly files = new Map<string, string>()
  readonly disk: TlsOptionsOf["disk"]
  readonly clock = new VirtualClock()
  readonly logger = new SilentLogger()
  readonly random = new SeededRandom(1)

  constructor(disk: TlsOptionsOf["disk"] = new MemoryDisk()) {
    this.disk = disk
  }

  open(files: Partial<TlsFiles> = {}) {
    const readFile = async (path: string) => {
      const text = this.files.get(path)
      if (text === undefined) throw new Error("no such file")
      return Buffer.from(text)
    }
    const { disk, clock, random, logger } = this
    const named = { name: "hall-b", hosts: ["hall-b", "hall-b.example", "192.0.2.7", "2001:db8::7", "not a host"] }
    return openTls({ files: { ...noFiles, ...files }, readFile, disk, clock, random, logger, ...named })
  }
}

async function pair() {
  const key = await makeKey()
  const certificate = makeCertificate(key, { random: new SeededRandom(2), name: "given", hosts: ["localhost"] })
  return { certificate, key: key.export({ type: "pkcs8", format: "pem" }).toString() }
}

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "brume-tls-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs openssl in a folder; skips the test where there is none. */
async function openssl({ skip }: TestContext): Promise<(folder: string, line: string) => Promise<string>> {
  await run("openssl", ["version"]).catch(() => skip("openssl is not installed"))
  return async (cwd, line) => (await run("openssl", line.split(" "), { cwd })).stdout
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** The server's certificate, seen by a client that trusts `ca`. */
async function handshake(port: number, options: ConnectionOptions): Promise<PeerCertificate> {
  const socket = connect({ host: "127.0.0.1", port, servername: "localhost", ...options })
  try {
    await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject))
    const certificate = socket.getPeerCertificate()
    // The server has seen all of the client when it has ended the connection.
    await new Promise((resolve) => socket.once("close", resolve).resume().end())
    return certificate
  } finally {
    socket.destroy()
  }
}

test("the node's own certificate names it, is its own issuer, and stays over restarts", async () => {
  const machine = new Machine()
  await using first = await machine.open()
  const certificate = new X509Certificate(first.listenerOptions.cert as string)
  expect(certificate.subject).toBe("CN=hall-b")
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.checkIssued(certificate)).toBe(true)
  expect(certificate.ca).toBe(false)
  for (const host of ["localhost", "hall-b", "hall-b.example"]) expect(certificate.checkHost(host)).toBe(host)
  for (const ip of ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"]) expect(certificate.checkIP(ip)).toBeDefined()
  expect(certificate.checkHost("not a host")).toBeUndefined()
  expect([certificate.validFrom, certificate.validTo].join()).toMatch(/2000 GMT,.*9999 GMT/)
  expect(first.fingerprint).toBe(certificate.fingerprint256)
  expect(machine.logger.entries.some(({ fields }) => fields?.fingerprint === first.fingerprint)).toBe(true)
  expect((await machine.open()).fingerprint).toBe(first.fingerprint)
})

test("the node's own key is readable by its user alone", async ({ skip }) => {
  if (process.platform === "win32") skip("Windows has no modes")
  const folder = await emptyFolder()
  await new Machine(await openDisk(folder)).open()
  expect((await stat(join(folder, "tls", "key.pem"))).mode & 0o777).toBe(0o600)
})

test("a certificate that is missing is made anew with the same key; a damaged key is replaced and told", async () => {
  const machine = new Machine()
  const keyOf = ({ listenerOptions }: Awaited<ReturnType<Machine["open"]>>) =>
    createPublicKey(listenerOptions.key as string).export({ type: "spki", format: "pem" })
  const first = await machine.open()
  await machine.disk.replace("tls/certificate.pem", Buffer.from("torn"))
  const second = await machine.open()
  expect(keyOf(second)).toBe(keyOf(first))
  expect(second.fingerprint).not.toBe(first.fingerprint)
  await machine.disk.replace("tls/key.pem", Buffer.from("torn"))
  const third = await machine.open()
  expect(keyOf(third)).not.toBe(keyOf(first))
  expect(machine.logger.messages("warn").join()).toContain("damaged")
})

test("openssl finds nothing wrong with the node's own certificate", async (context) => {
  const ssl = await openssl(context)
  const folder = await emptyFolder()
  const tls = await new Machine().open()
  await writeFile(join(folder, "own.pem"), tls.listenerOptions.cert as string)
  expect(await ssl(folder, "verify -x509_strict -CAfile own.pem -verify_hostname hall-b own.pem")).toContain("OK")
  const text = await ssl(folder, "x509 -in own.pem -noout -text")
  expect(text).toMatch(/Version: 3.*ecdsa-with-SHA256.*CN ?= ?hall-b.*TLS Web Server/s)
  expect(text).toContain("IP Address:2001:DB8:0:0:0:0:0:7")
})

test("a client that trusts the certificate's file speaks TLS 1.2 or newer with the node", async () => {
  const tls = await new Machine().open()
  const port = await listening(createServer(tls.listenerOptions, (socket) => socket.resume().end()))
  const ca = tls.listenerOptions.cert as string
  expect((await handshake(port, { ca })).fingerprint256).toBe(tls.fingerprint)
  await expect(handshake(port, { ca, servername: "other.example" })).rejects.toThrow(/altname|hostname/i)
  await expect(handshake(port, {})).rejects.toThrow(/self.signed/i)
  await expect(handshake(port, { ca, maxVersion: "TLSv1.1", minVersion: "TLSv1.1" })).rejects.toThrow()
})

test("changed files are in force without a restart, and open connections stay", async () => {
  const machine = new Machine()
  const [former, next] = [await pair(), await pair()]
  machine.files.set("/c", former.certificate).set("/k", former.key)
  await using tls = await machine.open({ certificateFile: "/c", keyFile: "/k" })
  const server = createServer(tls.listenerOptions, (socket) => socket.resume().end())
  tls.onChanged((context) => server.setSecureContext(context))
  const port = await listening(server)
  expect((await handshake(port, { ca: former.certificate })).fingerprint256).toBe(tls.fingerprint)
  const changed = new Promise<void>((resolve) => tls.onChanged(() => resolve()))
  machine.files.set("/c", next.certificate).set("/k", next.key)
  machine.clock.advance(60_000)
  await changed
  expect(tls.fingerprint).toBe(new X509Certificate(next.certificate).fingerprint256)
  expect((await handshake(port, { ca: next.certificate })).fingerprint256).toBe(tls.fingerprint)
  expect(await tls.reload(), "nothing new").toBe(false)
})

test("half of a changed pair is not taken; the former stays until the other half is there", async () => {
  const machine = new Machine()
  const [former, next] = [await pair(), await pair()]
  machine.files.set("/c", former.certificate).set("/k", former.key)
  await using tls = await machine.open({ certificateFile: "/c", keyFile: "/k" })
  const { fingerprint } = tls
  machine.files.set("/c", next.certificate)
  machine.clock.advance(60_000)
  await expect.poll(() => machine.logger.messages("error")).toHaveLength(1)
  expect(tls.fingerprint).toBe(fingerprint)
  machine.files.set("/k", next.key)
  await expect.poll(() => machine.clock.advance(60_000) ?? tls.fingerprint).not.toBe(fingerprint)
})

test.each([
  ["a file that is missing", {}],
  ["a key of another certificate", { "/c": "certificate", "/k": "other" }],
  ["a certificate that is none", { "/c": "key", "/k": "key" }],
] as const)("%s is refused at the start, and named", async (_what, given) => {
  const machine = new Machine()
  const [one, other] = [await pair(), await pair()]
  const texts = { ...one, other: other.key }
  for (const [path, what] of Object.entries(given)) machine.files.set(path, texts[what as keyof typeof texts])
  const error: unknown = await machine.open({ certificateFile: "/c", keyFile: "/k" }).catch((reason: unknown) => reason)
  expect(isFogError(error, "tls_invalid")).toBe(true)
  if (machine.files.size === 0) expect((error as Error).message).toContain("/c")
})

test("a client certificate that an authority of the listener has signed names its credential", async (context) => {
  const ssl = await openssl(context)
  const folder = await emptyFolder()
  const make = async (name: string, subject: string, issuer: string | undefined, extra = "") => {
    await ssl(folder, `ecparam -name prime256v1 -genkey -noout -out ${name}.key`)
    await ssl(folder, `req -new -key ${name}.key -subj ${subject} -out ${name}.csr`)
    await writeFile(join(folder, `${name}.ext`), extra)
    const signer =
      issuer === undefined ? `-signkey ${name}.key` : `-CA ${issuer}.crt -CAkey ${issuer}.key -CAcreateserial`
    await ssl(folder, `x509 -req -in ${name}.csr ${signer} -days 2 -extfile ${name}.ext -out ${name}.crt`)
  }
  await make("authority", "/CN=plant", undefined, "basicConstraints=critical,CA:TRUE")
  await make("stranger", "/CN=stranger", undefined, "basicConstraints=critical,CA:TRUE")
  await make("pump", "/O=x/CN=pump-7", "authority")
  await make("unnamed", "/O=x", "authority", "subjectAltName=DNS:pump-8.example,URI:urn:pump")
  await make("forged", "/CN=pump-7", "stranger")
  const read = (name: string) => readFile(join(folder, name), "utf8")
  const machine = new Machine()
  machine.files.set("/ca", await read("authority.crt"))
  const tls = await machine.open({ clientAuthorityFile: "/ca" })
  const seen: (ReturnType<typeof clientCertificateOf> | "none")[] = []
  const server = createServer(tls.listenerOptions, (socket: TLSSocket) => {
    seen.push(clientCertificateOf(socket) ?? "none")
    socket
      .on("error", () => {})
      .resume()
      .end()
  })
  const port = await listening(server)
  const ca = tls.listenerOptions.cert as string
  for (const name of ["pump", "unnamed", "forged"])
    await handshake(port, { ca, cert: await read(`${name}.crt`), key: await read(`${name}.key`) })
  await handshake(port, { ca })
  await expect.poll(() => seen).toHaveLength(4)
  const fingerprint = new X509Certificate(await read("pump.crt")).fingerprint256
  expect(seen).toEqual([
    { name: "pump-7", fingerprint },
    { name: "pump-8.example", fingerprint: expect.any(String) },
    "none",
    "none",
  ])
})

test.each([
  [{ subject: { CN: "a" } }, "a"],
  [{ subject: { CN: ["a", "b"] } }, "a"],
  [{ subject: {}, subjectaltname: "URI:urn:a, DNS:b" }, "urn:a"],
  [{ subject: {}, subjectaltname: 'DNS:"a, DNS:b"' }, "a, DNS:b"],
  [{ subject: { CN: "" }, subjectaltname: "othername:x" }, undefined],
  [{}, undefined],
])("the certificate %j names %s", (certificate, name) => {
  const shown = { ...certificate, fingerprint256: "AB" } as unknown as PeerCertificate
  expect(clientCertificateOf({ authorized: true, getPeerCertificate: () => shown })?.name).toBe(name)
  expect(clientCertificateOf({ authorized: false, getPeerCertificate: () => shown })).toBeUndefined()
})
