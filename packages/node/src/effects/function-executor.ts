/** Functions that rules call: the effect's key is `ctx.key` there. */
import { type Executor, FogError, type FunctionAction, type Functions, isFogError } from "@brume/core"

/** After these nobody knows how far the function came. */
const unknown: ReadonlySet<string> = new Set(["function_timeout", "function_crashed"])

/** @param deadlineMs of the whole call; the function's own limit may be shorter */
export function createFunctionExecutor(
  functions: Pick<Functions, "invoke">,
  deadlineMs: number,
): Executor<FunctionAction> {
  return async ({ key, source, action: { name, input } }) => {
    const trigger = source.startsWith("function/") ? "function" : "rule"
    try {
      await functions.invoke({ name, event: input, trigger, deadlineMs, key })
    } catch (error) {
      if (!isFogError(error) || !unknown.has(error.code)) throw error
      throw new FogError("effect_in_doubt", { message: error.message, cause: error })
    }
  }
}
