import type { Logger } from "@brume/core"
import type { Ambient } from "./ambient/ambient.ts"
import type { Config } from "./config/schema.ts"
import { createLogger } from "./logger/logger.ts"

/** The logger that a configuration asks for; before a node is open, and for it. */
export function createNodeLogger(config: Config, ambient: Ambient): Logger {
  const { clock, writeLog, hasTerminal } = ambient
  return createLogger({ ...config.logger, clock, write: writeLog, colour: hasTerminal })
}
