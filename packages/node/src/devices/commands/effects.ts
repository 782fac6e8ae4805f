/** Commands that rules and functions cause: their effect's key is the command's. */
import { type CommandAction, type Commands, type Executor, FogError, type Json } from "@brume/core"

export function createCommandExecutor(commands: Pick<Commands, "send">): Executor<CommandAction> {
  return async ({ key, source, action: { device, command, input, deadlineMs } }) => {
    const request = { device, command, input: input as Json, deadlineMs, idempotencyKey: key, source }
    const { state, error } = await commands.send(request)
    if (state === "done") return
    const message = error?.message ?? "The node stopped before an answer came"
    throw new FogError(state === "failed" ? "command_rejected" : "effect_in_doubt", { message })
  }
}
