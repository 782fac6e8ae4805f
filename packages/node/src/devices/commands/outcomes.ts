/** What became of a command, and in which words. */
import { type Command, FogError } from "@brume/core"
import { excerpt } from "../payload/mistakes.ts"
import type { Reply } from "./reply.ts"

export function outcomeOf(command: Command, { state, output, error }: Reply, ended: number): Command {
  const said = { ...command, ended, output }
  return state === "failed" ? { ...said, state, ...(error === undefined ? {} : { error }) } : { ...said, state: "done" }
}

export function unreachable({ device }: Pick<Command, "device">) {
  return {
    code: "command_unreachable",
    message: `Nobody is connected, or has a session, that subscribes the commands of ${excerpt(device, 120)}; nothing was sent`,
  }
}

export function expired({ device }: Command) {
  return {
    code: "command_expired",
    message: `${excerpt(device, 120)} did not come before the deadline; the command never left the node`,
  }
}

export function inDoubt({ device }: Command) {
  return {
    code: "command_in_doubt",
    message: `${excerpt(device, 120)} gave no answer before the deadline; it may have carried the command out`,
  }
}

export function conflict({ id, device }: Command): FogError {
  return new FogError("idempotency_conflict", {
    message: `The key of the command ${id} of ${excerpt(device, 120)} was used before, for another one; nothing was sent`,
    hint: "Use a new key for a new command; the same key is for asking again what became of it.",
  })
}
