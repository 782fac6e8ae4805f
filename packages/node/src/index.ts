/** The daemon as a library: resolve a configuration, then open a node with it, or run one as the process's purpose. */
export { type Ambient, systemAmbient } from "./ambient/ambient.ts"
export {
  type ConfigRequest,
  type FlagSetting,
  type ResolvedConfig,
  resolveConfig,
  type Surroundings,
} from "./config/config.ts"
export {
  type ConfigFlag,
  configFlags,
  type DescribedKey,
  type DescribedSection,
  describeConfig,
  parseSetting,
} from "./config/describe.ts"
export type { Config } from "./config/schema.ts"
export type { MappingSettings } from "./devices/mapping/compile-mapping.ts"
export { type Trial, type TrialReading, type TrialRequest, tryMapping } from "./devices/mapping/trial.ts"
export { inspectFunctionsMachine } from "./functions/runtimes/runtimes.ts"
export type { FunctionsMachine } from "./functions/runtimes/sandbox/inspect-machine.ts"
export { type Host, type RunOptions, runNode } from "./main.ts"
export type { Node, NodeOptions } from "./node.ts"
export { documentSchemas, openNode } from "./rooms.ts"
export { version } from "./version.ts"
