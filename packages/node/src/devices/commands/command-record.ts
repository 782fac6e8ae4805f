/** A command as the log has it: JSON, with a number that says which. */
import { type Command, commandStates } from "@brume/core"

const formatVersion = 1

export function encodeCommand(command: Command): Buffer {
  return Buffer.from(JSON.stringify({ v: formatVersion, ...command }))
}

/** Undefined when these are not the bytes of a command. */
export function decodeCommand(value: Uint8Array): Command | undefined {
  try {
    const { v, ...command } = JSON.parse(Buffer.from(value).toString()) as Command & { readonly v: number }
    const { id, device, created, deadline, state } = command
    const isGood = typeof id === "string" && typeof device === "string" && commandStates.includes(state)
    return v === formatVersion && isGood && Number.isFinite(created) && Number.isFinite(deadline) ? command : undefined
  } catch {
    return undefined
  }
}
