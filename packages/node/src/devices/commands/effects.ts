/** Commands that rules and functions cause: their effect's key is the command's, their commit that of their cause. */
import type { Command, CommandAction, Commands, EffectInfo, EffectOutcome, Json, Planner } from "@brume/core"
import { idOf } from "./ledger.ts"

export function createCommandPlanner(commands: Pick<Commands, "prepare">): Planner<CommandAction> {
  return ({ key, source, action: { device, command: name, input, deadlineMs } }) => {
    const request = { device, command: name, input: input as Json, deadlineMs, idempotencyKey: key, source }
    const { command, records, ended, durable, refused } = commands.prepare(request)
    return { records, ended: outcomeOf(command) ?? ended.then(outcomeOf), durable, refused }
  }
}

/** What becomes, or became, of the command of an effect; undefined where none is known. */
export function findCommandOutcome(
  commands: Pick<Commands, "ended">,
  { key, source, target }: Pick<EffectInfo, "key" | "source" | "target">,
): Promise<EffectOutcome | undefined> | undefined {
  const device = target.slice(0, target.lastIndexOf("/"))
  return commands.ended(idOf({ source, device, key }))?.then(outcomeOf)
}

/** Undefined where the node stops before the command ends. */
function outcomeOf({ state, error }: Command): EffectOutcome | undefined {
  return state === "pending" ? undefined : { state, ...error }
}
