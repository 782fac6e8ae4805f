/** What the command's exit code says, derived from the registry of errors. docs/reference/cli.md shows this table. */
import { type ErrorCode, errorRegistry } from "@brume/core"

export const exitCodes = {
  0: "done",
  1: "failed in a way that has no code of its own",
  2: "the command line or the configuration is wrong",
  3: "no node answers at the address",
  4: "the node refused: token, scope, host or origin",
  5: "what was asked for does not exist",
  6: "busy, locked or full: the same command may succeed later",
  7: "the node did not accept the input: SQL or readings",
  8: "the device did not do what a command says",
  9: "in doubt: a device may have done what a command says, and gave no answer in time",
  70: "a fault of Brume itself",
  130: "ended by Ctrl-C",
  143: "ended by SIGTERM",
} as const

export type ExitCode = keyof typeof exitCodes

/** Where the HTTP status would tell something else than the command line means. */
const own: Partial<Record<ErrorCode, ExitCode>> = {
  internal: 70,
  usage: 2,
  config_invalid: 2,
  tls_invalid: 2,
  store_not_found: 2,
  node_unreachable: 3,
  command_rejected: 8,
  command_in_doubt: 9,
  query_refused: 7,
  store_version: 1,
}

export function exitCodeOf(code: ErrorCode): ExitCode {
  const { status, retry } = errorRegistry[code]
  const given = own[code]
  if (given !== undefined) return given
  if ([401, 403, 421, 429].includes(status)) return 4
  if (status === 404 || status === 405) return 5
  if (retry !== "never") return 6
  return status >= 400 && status < 500 ? 7 : 1
}
