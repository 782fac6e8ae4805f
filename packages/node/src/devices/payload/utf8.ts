import { FogError } from "@brume/core"
import type { PayloadLimits } from "./limits.ts"

// `fatal` refuses what is not UTF-8; both swallow a byte order mark at the start.
const strict = new TextDecoder("utf-8", { fatal: true })
const lenient = new TextDecoder("utf-8", { ignoreBOM: true })

/** The text of a payload. Throws `payload_too_large`, and `payload_encoding` naming the first wrong byte. */
export function decodeUtf8(bytes: Uint8Array, limits: PayloadLimits): string {
  checkSize(bytes, limits)
  try {
    return strict.decode(bytes)
  } catch (cause) {
    throw new FogError("payload_encoding", {
      message: `The payload is not valid UTF-8: the first wrong byte is at offset ${firstWrongByte(bytes)}`,
      hint: "Send text as UTF-8; text in other encodings has to be converted before.",
      cause,
    })
  }
}

export function checkSize(bytes: Uint8Array, limits: PayloadLimits): void {
  if (bytes.length <= limits.sizeBytes) return
  throw new FogError("payload_too_large", {
    message: `The payload has ${bytes.length} bytes, the limit is ${limits.sizeBytes}`,
    hint: "Send fewer readings at once.",
  })
}

/** Decoded leniently and encoded again, a text differs from its source first where that is wrong. */
function firstWrongByte(bytes: Uint8Array): number {
  const again = new TextEncoder().encode(lenient.decode(bytes))
  let offset = 0
  while (offset < bytes.length && bytes[offset] === again[offset]) offset++
  return offset
}
