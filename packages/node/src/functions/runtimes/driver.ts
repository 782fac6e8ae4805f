/** A driver starts the runner of one language. All drivers pass the suite `describeRuntime` of the testkit. */
import type { FogError } from "@brume/core"
import type { Command } from "./starter.ts"

/** What makes one blank process different from another of the same language. */
export interface Shape {
  readonly memoryMiB: number
  readonly network: boolean
}

export interface Launch {
  readonly command: Command
  /** Files and folders that the command must see, beside the system's own. */
  readonly paths: readonly string[]
  /** Private writable memory that the process may hold: the function's and the interpreter's own. */
  readonly dataMiB: number
}

export interface Driver {
  readonly name: "node" | "python"
  /** Its runner works through calls one by one, as they came. */
  readonly isInOrder: boolean
  /** Resolves to what is missing on this machine, with the remedy. */
  missing(): Promise<FogError | undefined>
  /** Asked only where nothing is missing. */
  launch(shape: Shape): Launch
}
