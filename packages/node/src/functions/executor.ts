/** Calls of functions that rules cause: their effect's key is the call's, and the function sees it as `ctx.key`. */
import { type Executor, FogError, type FunctionAction, type Functions, isFogError } from "@brume/core"

export function createFunctionExecutor(functions: Functions): Executor<FunctionAction> {
  return async ({ key, action: { name, input } }) => {
    try {
      await functions.invoke({ name, event: input, trigger: "rule", key })
    } catch (error) {
      // It had begun, and nobody knows how far it came.
      if (isFogError(error, "function_timeout") || isFogError(error, "function_crashed"))
        throw new FogError("effect_in_doubt", { message: error.message, cause: error })
      throw error
    }
  }
}
