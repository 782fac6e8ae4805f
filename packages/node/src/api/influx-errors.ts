/**
 * Errors as InfluxDB's clients expect them: version 1 has the text `error`, version 2 its own `code` and a `message`.
 * The members of problem+json stand beside them, for clients that know Brume.
 */
import { type FogError, toProblem } from "@brume/core"

export interface InfluxAnswer {
  readonly type: "application/json"
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** Clients choose their way by this version; it is the newest whose writing this API offers. */
export const influxVersion = "1.8.10"
export const influxHeaders = { "x-influxdb-version": influxVersion, "x-influxdb-build": "Brume" } as const

/** Longest text in a header: clients print it, proxies limit it. */
const maxHeaderLength = 1_000

/** Codes of InfluxDB 2's API by status; others are `internal error`. */
const codes: Readonly<Record<number, string>> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not found",
  405: "method not allowed",
  413: "request too large",
  415: "unsupported media type",
  422: "unprocessable entity",
  429: "too many requests",
  503: "unavailable",
  507: "unavailable",
}

export function influxAnswer(error: FogError, dialect: "influx1" | "influx2"): InfluxAnswer {
  const text = error.hint === undefined ? error.message : `${error.message}. ${error.hint}`
  const plain = error.code === "readings_invalid" ? error.message : text
  const code = codes[error.status] ?? "internal error"
  return {
    type: "application/json",
    body: JSON.stringify(
      dialect === "influx1" ? { error: plain, ...toProblem(error) } : { ...toProblem(error), code, message: plain },
    ),
    headers: {
      ...influxHeaders,
      ...(error.status === 401 ? { "www-authenticate": 'Basic realm="brume"' } : {}),
      "x-influxdb-error": headerText(plain),
      ...(dialect === "influx2" ? { "x-platform-error-code": code } : {}),
    },
  }
}

/** Header values are Latin-1 without control characters. */
function headerText(text: string): string {
  return text.slice(0, maxHeaderLength).replace(/[^\x20-\x7e]/g, "?")
}
