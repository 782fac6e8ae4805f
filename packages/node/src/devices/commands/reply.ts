/**
 * What a device says of a command. An object whose `state` is `accepted`, `done` or `failed` says just that; everything
 * else, also nothing, is the output of a command that is done.
 */
import type { CommandError, Json } from "@brume/core"
import { maxJsonBytes } from "./terms.ts"

export interface Reply {
  readonly state: "accepted" | "done" | "failed"
  /** Where the payload names the command. */
  readonly id: string | undefined
  readonly output: Json
  readonly error: CommandError | undefined
}

const done = { state: "done", id: undefined, output: null, error: undefined } as const

export function parseReply(payload: Uint8Array): Reply {
  if (payload.length === 0) return done
  if (payload.length > maxJsonBytes) return tooLong(payload)
  return parseText(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString())
}

function parseText(text: string): Reply {
  let said: Json
  try {
    said = JSON.parse(text) as Json
  } catch {
    return { ...done, output: text }
  }
  if (typeof said !== "object" || said === null || Array.isArray(said)) return { ...done, output: said }
  const { state, id, output = null, error } = said as { readonly [name: string]: Json }
  const named = typeof id === "string" ? id : undefined
  if (state === "accepted" || state === "done") return { state, id: named, output, error: undefined }
  if (state === "failed") return { state, id: named, output, error: errorOf(error) }
  return { ...done, id: named, output: said }
}

/** What it says happened counts; the rest is left out. */
function tooLong(payload: Uint8Array): Reply {
  const instead = `an answer of ${payload.length} bytes, too long to keep`
  const { state, id, error } = parseText(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString())
  if (state === "accepted") return { state, id, output: null, error: undefined }
  if (state === "failed") return { state, id, output: null, error: { ...error!, message: instead } }
  return { state, id, output: instead, error: undefined }
}

function errorOf(error: Json | undefined): CommandError {
  const code = "command_rejected"
  if (typeof error === "string") return { code, message: error }
  if (typeof error === "object" && error !== null && !Array.isArray(error)) {
    const given = error as { readonly [name: string]: Json }
    return {
      code: typeof given.code === "string" ? given.code : code,
      message: typeof given.message === "string" ? given.message : JSON.stringify(error),
    }
  }
  return { code, message: "The device gave no reason" }
}
