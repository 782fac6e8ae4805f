/** Commands that rules and functions cause, in the commit of their cause: their effect's key is the command's. */
import type { Command, CommandAction, Commands, EffectOutcome, Json, Planner } from "@brume/core"

export function planCommands(commands: Pick<Commands, "prepare">): Planner<CommandAction> {
  return ({ key, source, action: { device, command, input, deadlineMs } }) => {
    const request = { device, command, input: input as Json, deadlineMs, idempotencyKey: key, source }
    const { records, ended, durable, refused } = commands.prepare(request)
    return { records, durable, refused, ended: ended.then(outcomeOf) }
  }
}

/** Undefined where the node stopped first: the command goes on after its next start. */
function outcomeOf({ state, error }: Command): EffectOutcome | undefined {
  if (state === "pending") return undefined
  return error === undefined ? { state } : { state, message: error.message }
}
