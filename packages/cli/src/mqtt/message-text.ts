/** Messages as people and programs read them. */
import type { IPublishPacket } from "mqtt"
import type { Paint } from "../paint.ts"
import { visible } from "../text-width.ts"
import { countText } from "../times.ts"

/** Bytes of a payload that are shown in hex. */
const shownBytes = 64
/** JSON up to this length is read as easily as it came. */
const oneLine = 100

/** One object: the payload is `payload` where it is UTF-8, else `base64`. */
export function messageJson(packet: IPublishPacket, received: Date): string {
  const bytes = bytesOf(packet)
  const text = textOf(bytes)
  const { topic, qos, retain, properties = {} } = packet
  const { contentType, responseTopic, messageExpiryInterval, correlationData, userProperties } = properties
  return JSON.stringify({
    topic,
    ...(text === undefined ? { base64: bytes.toString("base64") } : { payload: text }),
    qos,
    retain,
    received: received.toISOString(),
    contentType,
    responseTopic,
    expiryS: messageExpiryInterval,
    correlation: correlationData?.toString("base64"),
    properties: userProperties === undefined ? undefined : { ...userProperties },
  })
}

/** The topic, then the payload: text as it is, long JSON on lines of its own, other bytes in hex. */
export function messageText(packet: IPublishPacket, paint: Paint): string {
  const { topic, retain, properties = {} } = packet
  const { contentType, responseTopic, userProperties = {} } = properties
  const notes = [
    ...(retain ? ["retained"] : []),
    ...(contentType === undefined ? [] : [contentType]),
    ...(responseTopic === undefined ? [] : [`answer to ${responseTopic}`]),
    ...Object.entries(userProperties).map(([name, value]) => `${name}=${[value].flat().join(",")}`),
  ]
  const marks = notes.length === 0 ? "" : `  ${paint.dim(visible(`[${notes.join(", ")}]`))}`
  return `${paint.cyan(visible(topic))}${marks}  ${payloadText(bytesOf(packet), paint)}`
}

function payloadText(bytes: Buffer, paint: Paint): string {
  if (bytes.length === 0) return paint.dim("(empty)")
  const text = textOf(bytes)
  if (text === undefined) return hexText(bytes, paint)
  return prettyJson(text) ?? visible(text)
}

/** Objects and lists that are long, as long as no number in them would lose digits. */
function prettyJson(text: string): string | undefined {
  if (text.length <= oneLine || !/^\s*[[{]/.test(text) || /\d{16}/.test(text)) return undefined
  try {
    return visibleLines(JSON.stringify(JSON.parse(text), undefined, 2))
  } catch {
    return undefined
  }
}

const visibleLines = (text: string): string => text.split("\n").map(visible).join("\n")

function hexText(bytes: Buffer, paint: Paint): string {
  const shown = bytes.subarray(0, shownBytes).toString("hex").replace(/../g, "$& ").trimEnd()
  const more = bytes.length > shownBytes ? ` … ${paint.dim(`${countText(bytes.length)} bytes`)}` : ""
  return `${paint.dim("hex")} ${shown}${more}`
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** undefined where the bytes are no text: not UTF-8, or with control characters. */
function textOf(bytes: Buffer): string | undefined {
  try {
    const text = decoder.decode(bytes)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what makes it no text.
    return /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

const bytesOf = ({ payload }: IPublishPacket): Buffer =>
  typeof payload === "string" ? Buffer.from(payload) : Buffer.from(payload)
