/** Cursors of paged lists: the name of the last item, opaque for clients. */
import { FogError } from "@brume/core"

export function encodeCursor(name: string): string {
  return Buffer.from(name).toString("base64url")
}

export function decodeCursor(cursor: string): string {
  const name = Buffer.from(cursor, "base64url").toString()
  if (encodeCursor(name) === cursor) return name
  throw new FogError("request_invalid", {
    message: "The cursor is none of this API",
    hint: "Use the cursor of the answer before as it is, or none.",
  })
}
