/** How a broker ends a connection, told per version: 3.1.1 just closes, 5.0 may say why before. */
import { connect } from "node:net"
import { expect } from "vitest"
import { byte, frame, sized, two } from "./bytes.ts"
import { encodeConnect } from "./packets.ts"
import { encodeProperties } from "./properties.ts"
import type { RawClient } from "./raw-client.ts"
import type { Trial } from "./trial.ts"

/** The broker closes; in 5.0 a DISCONNECT or CONNACK before it has one of `codes`, or any failure when none is given. */
export async function dropped(client: RawClient, ...codes: readonly number[]): Promise<void> {
  const last = await client.closed()
  if (client.version === 4) {
    expect(last, "3.1.1 closes without a packet").toBeUndefined()
    return
  }
  if (last === undefined) return
  expect(last.code, `the reason in the ${last.type}`).toBeGreaterThanOrEqual(0x80)
  if (codes.length > 0) expect(codes, `the reason in the ${last.type}`).toContain(last.code)
}

/** Sends bytes on a connection of its own; resolves to all that came until the broker closed it. */
export function exchange(port: number, bytes: Uint8Array, limitMs = 5_000): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(bytes))
    const timer = setTimeout(() => {
      socket.destroy()
      reject(
        new Error(
          `the connection is still open after ${limitMs} ms, having sent ${Buffer.concat(pieces).toString("hex")}`,
        ),
      )
    }, limitMs)
    socket.on("data", (piece) => pieces.push(piece))
    socket.on("error", () => {})
    socket.once("close", () => {
      clearTimeout(timer)
      resolve(Buffer.concat(pieces))
    })
  })
}

/** A CONNECT whose bytes may be changed before they go. */
export async function sendsConnect(trial: Trial, change: (bytes: Buffer) => Buffer): Promise<RawClient> {
  const client = await trial.open()
  client.write(change(encodeConnect(trial.version, trial.connectPacket())))
  return client
}

export interface ConnectParts {
  /** Besides clean, user name and password, which are set as the broker's credentials ask. */
  readonly flags?: number
  readonly properties?: Uint8Array
  readonly clientId?: Uint8Array
  /** Between client id and user name. */
  readonly will?: readonly Uint8Array[]
  readonly rest?: Uint8Array
  readonly credentials?: readonly Uint8Array[]
}

/** Sends a CONNECT made of parts, valid but for what is given. */
export async function sendsParts(trial: Trial, parts: ConnectParts): Promise<RawClient> {
  const { version, broker } = trial
  const { username, password } = broker.credentials ?? {}
  const { flags = 0, clientId = Buffer.from(trial.name()), will = [], rest = Buffer.alloc(0) } = parts
  const secrets = parts.credentials ?? (username === undefined ? [] : [sized(username), sized(password!)])
  const bits = 2 | flags | (secrets.length > 0 ? 128 : 0) | (secrets.length > 1 ? 64 : 0)
  const properties = version === 5 ? (parts.properties ?? encodeProperties()) : Buffer.alloc(0)
  const client = await trial.open()
  const head = [sized("MQTT"), byte(version), byte(bits), two(60), properties]
  client.write(frame(0x10, ...head, sized(clientId), ...will, ...secrets, rest))
  return client
}

/** Where the connect flags are while the remaining length has one byte: header 2, name 6, level 1. */
export const connectFlagsAt = 9

/** Strings that the standard refuses: U+0000, a surrogate, an overlong slash, a sequence cut short. */
export const illFormed: readonly Buffer[] = ["610062", "61eda080", "c0af", "61e282"].map((hex) =>
  Buffer.from(hex, "hex"),
)

/** For `sendsConnect`. */
export const withFlag =
  (flag: number) =>
  (bytes: Buffer): Buffer => {
    bytes.writeUInt8(bytes.readUInt8(connectFlagsAt) | flag, connectFlagsAt)
    return bytes
  }

/** Raw property bytes behind their length, for what `encodeProperties` cannot say. */
export function rawProperties(...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  // The length byte of an empty list, then the real one: properties of tests are short.
  expect(body.length).toBeLessThan(128)
  return Buffer.concat([encodeProperties().fill(body.length), body])
}
