/**
 * Errors with a stable identity.
 *
 * Every failure that a person or a program may meet is a {@link FogError} with a code from {@link errorRegistry}.
 * The code is the identity: it decides the HTTP status, whether to retry, and the CLI's exit code. Messages may change.
 */

export type Retry = "never" | "later" | "now"

export interface ErrorEntry {
  /** HTTP status of the problem body (RFC 9457). */
  readonly status: number
  /** Whether the same request can succeed: never as it is, later, or at once. */
  readonly retry: Retry
  /** One sentence for docs/reference/errors.md. */
  readonly summary: string
}

const entry = (status: number, retry: Retry, summary: string): ErrorEntry => ({ status, retry, summary })

/** All codes, grouped by the room that throws them. */
export const errorRegistry = {
  // core
  internal: entry(500, "never", "A fault of Brume itself; the log has its cause."),
  // config
  config_invalid: entry(
    400,
    "never",
    "The configuration has mistakes; all of them are listed with the path of each key.",
  ),
  // disk
  disk_failed: entry(503, "later", "The file system refused an operation."),
  // store
  store_locked: entry(409, "later", "Another process owns the data folder."),
  store_full: entry(507, "later", "The disk or the store's quota is full and the policy is to reject."),
  store_closed: entry(503, "later", "The node is stopping or its log failed; nothing more is accepted."),
  store_busy: entry(503, "now", "More readings wait for the disk than the written limit allows."),
  store_damaged: entry(503, "never", "Acknowledged data on disk is damaged; the range is quarantined and named."),
  store_version: entry(409, "never", "The data folder was written by a newer version of Brume."),
  store_not_found: entry(400, "never", "The data folder does not exist or cannot be used."),
  // devices
  readings_invalid: entry(400, "never", "One or more readings are malformed; each is named by its position."),
  readings_too_many: entry(413, "never", "One request carries more readings than the limit."),
  payload_encoding: entry(400, "never", "The payload is not valid UTF-8, or its compression is broken."),
  payload_too_large: entry(413, "never", "The payload is larger than the limit, before or after decompression."),
  payload_type: entry(415, "never", "The payload's content type or encoding is not supported here."),
  idempotency_conflict: entry(422, "never", "The same Idempotency-Key came with a different payload."),
  device_not_found: entry(404, "never", "No reading of this device is known."),
  client_not_found: entry(404, "never", "No MQTT client with this identifier is connected or has a session here."),
  command_invalid: entry(400, "never", "The device, name, input or terms of a command are malformed."),
  command_not_found: entry(404, "never", "No command with this id is remembered."),
  commands_busy: entry(503, "later", "As many commands wait for answers as the written limit allows."),
  command_unreachable: entry(503, "later", "Nobody takes the commands of this device; nothing was sent."),
  command_expired: entry(503, "later", "The deadline passed before the command could be sent to the device."),
  command_rejected: entry(502, "never", "The device answered that it did not do what the command says."),
  command_in_doubt: entry(504, "never", "The command may have been carried out: no answer came in time."),
  twin_invalid: entry(400, "never", "A change of what a device should be is malformed or too large."),
  twin_not_found: entry(404, "never", "Nothing is desired of this device, and it has reported no state."),
  twin_conflict: entry(409, "never", "Another version of what is desired is in force than the one that was named."),
  // documents
  document_invalid: entry(400, "never", "A document has mistakes; all of them are listed with the path of each."),
  document_not_found: entry(404, "never", "No document of this kind has this name."),
  // effects
  effect_invalid: entry(400, "never", "An action cannot be done as it is written: its topic, size or terms."),
  effect_in_doubt: entry(504, "never", "An attempt ended without anybody knowing whether it had its effect."),
  effect_not_found: entry(404, "never", "No effect with this key is remembered."),
  effects_busy: entry(503, "later", "More effects are under way than the written limit allows."),
  webhook_refused: entry(403, "never", "The webhook's address is not one that this node may call."),
  webhook_rejected: entry(502, "never", "The webhook's host answered that it does not take the request."),
  webhook_failed: entry(502, "later", "The webhook's host cannot be reached, or says that it fails just now."),
  // alarms
  alarm_not_found: entry(404, "never", "No alarm has this id."),
  alarm_invalid: entry(400, "never", "The description of an alarm or of its silence is malformed, or it is over."),
  alarms_full: entry(503, "later", "As many alarms are raised as the written limit allows."),
  // functions
  function_failed: entry(502, "never", "The function threw, cannot be loaded, or its answer is no JSON or too large."),
  function_timeout: entry(504, "later", "The function did not answer in time, and may have done its work in part."),
  function_crashed: entry(502, "later", "The function's process ended while the call ran: a limit, a fault, an exit."),
  function_parked: entry(503, "later", "The function crashed too often and is not started again by itself."),
  functions_busy: entry(503, "later", "As many calls wait for the function as the written limit allows."),
  runtime_missing: entry(501, "never", "This machine lacks what runs the function's language."),
  function_not_found: entry(404, "never", "No function of this name is deployed."),
  function_unloadable: entry(422, "never", "The new version could not be loaded; what was deployed before stays."),
  function_unsandboxed: entry(403, "never", "Nothing here keeps functions apart, and no admin has accepted that."),
  function_refused: entry(400, "never", "The function asked the node for something that is not possible or allowed."),
  function_version_not_found: entry(404, "never", "The function has no such version, or it is no longer kept."),
  // secrets
  secret_not_found: entry(404, "never", "No secret has this name."),
  secret_invalid: entry(400, "never", "The name or the value of a secret is malformed or too large."),
  secret_unreadable: entry(500, "never", "The secret was sealed with another key than this node has."),
  // query
  query_invalid: entry(400, "never", "The SQL statement cannot be parsed or bound."),
  query_refused: entry(403, "never", "The statement is not a plain SELECT over the offered views and functions."),
  query_timeout: entry(408, "later", "The statement ran longer than its time limit and was stopped."),
  query_memory: entry(413, "never", "The statement needed more memory than the limit."),
  query_too_many_rows: entry(413, "never", "The result has more rows than the limit."),
  query_too_large: entry(413, "never", "The result has more bytes than the limit."),
  query_cancelled: entry(499, "now", "The statement was cancelled by its caller."),
  query_busy: entry(503, "later", "Too many statements wait already."),
  query_not_found: entry(404, "never", "No running statement has this id."),
  // auth
  unauthenticated: entry(401, "never", "A token is missing, unknown, expired or revoked."),
  forbidden: entry(403, "never", "The token's scopes or devices do not allow this."),
  token_invalid: entry(400, "never", "The description of a new token is malformed."),
  token_not_found: entry(404, "never", "No token has this id."),
  credential_invalid: entry(400, "never", "The description of a credential or its change is malformed."),
  credential_exists: entry(409, "never", "A credential has this username already."),
  credential_not_found: entry(404, "never", "No credential has this username."),
  ban_invalid: entry(400, "never", "The description of a ban is malformed."),
  ban_not_found: entry(404, "never", "Nothing of this kind and value is banned."),
  // tls
  tls_invalid: entry(
    400,
    "never",
    "The certificate, its key or the client authority of a TLS listener cannot be used.",
  ),
  // api
  request_invalid: entry(400, "never", "The request does not fit its schema; each mistake is listed."),
  not_found: entry(404, "never", "There is nothing at this address."),
  method_not_allowed: entry(405, "never", "The address exists, but not with this method."),
  host_refused: entry(421, "never", "The Host header names no host of this node."),
  origin_refused: entry(403, "never", "The Origin header names a site that may not call this node."),
  request_timeout: entry(408, "later", "The request took longer to arrive than the limit."),
  too_many_connections: entry(503, "later", "The node serves as many connections as its limit allows."),
  too_many_attempts: entry(429, "later", "Too many requests with a wrong token came from this address."),
  headers_too_large: entry(431, "never", "The headers of the request are larger than the limit."),
  listen_failed: entry(503, "later", "The address to listen on cannot be used."),
  // sdk and cli
  node_unreachable: entry(503, "later", "No node answers at this address."),
  writer_full: entry(507, "later", "The SDK's writer holds as many unsent readings as its limit allows."),
  writer_closed: entry(400, "never", "The SDK's writer was closed and takes no more readings."),
  usage: entry(400, "never", "The command line is wrong."),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorRegistry

export interface FogErrorOptions {
  /** What failed, by name, and why. */
  readonly message: string
  /** What to do about it. */
  readonly hint?: string
  readonly cause?: unknown
  /** Facts for programs, e.g. the path of each mistake. Must be JSON. */
  readonly details?: Readonly<Record<string, unknown>>
}

export class FogError extends Error {
  override readonly name = "FogError"
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, options: FogErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details
  }

  get status(): number {
    return errorRegistry[this.code].status
  }

  get retry(): Retry {
    return errorRegistry[this.code].retry
  }
}

/** True for a FogError of any copy of this package: the code is the identity, not the class. */
export function isFogError(error: unknown, code?: ErrorCode): error is FogError {
  if (!(error instanceof Error) || error.name !== "FogError") return false
  const own = (error as FogError).code
  return own in errorRegistry && (code === undefined || own === code)
}

/** RFC 9457 body. `type` is a relative reference into docs/reference/errors.md. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly retry: Retry
  readonly hint?: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** The problem body of any error. What is not a FogError is `internal`: its text stays in the log, not in the answer. */
export function toProblem(error: unknown): Problem {
  const known = isFogError(error)
    ? error
    : new FogError("internal", { message: "The node failed to handle this request", hint: "Look into the node's log." })
  const { status, retry, summary } = errorRegistry[known.code]
  return {
    type: `https://brume.dev/errors#${known.code}`,
    title: summary,
    status,
    code: known.code,
    detail: known.message,
    retry,
    ...(known.hint === undefined ? {} : { hint: known.hint }),
    ...(known.details === undefined ? {} : { details: known.details }),
  }
}
