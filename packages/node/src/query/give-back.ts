import type { Logger } from "@brume/core"

/** Returns one thing that a statement took. */
export type GiveBack = () => unknown

/** The last thing first. What fails is logged and does not keep the rest. */
export async function giveAllBack(taken: readonly GiveBack[], logger: Logger): Promise<void> {
  for (let at = taken.length - 1; at >= 0; at--) {
    try {
      await taken[at]!()
    } catch (error) {
      logger.error("A statement could not give something back", { error })
    }
  }
}
