/** Why a broker refused something, as an error of the registry. */
import { type ErrorCode, errorRegistry, FogError, type Problem } from "@brume/core"
import type { Broker } from "./broker.ts"

/** By reason code of 5.0, and of 3.1.1 below 6. Others are `request_invalid`. */
const codes: Readonly<Record<number, ErrorCode>> = {
  3: "store_closed",
  4: "unauthenticated",
  5: "forbidden",
  128: "store_closed",
  134: "unauthenticated",
  135: "forbidden",
  136: "store_closed",
  137: "store_busy",
  138: "forbidden",
  139: "store_closed",
  142: "forbidden",
  149: "payload_too_large",
  151: "store_full",
  152: "forbidden",
  159: "too_many_attempts",
}

const hints: Partial<Record<ErrorCode, string>> = {
  unauthenticated: "Give a token (--token-file), or --username and --password-file.",
  forbidden: "What a token or a credential may publish and subscribe: docs/guide/access.md.",
  payload_too_large: "Make the message smaller, or raise mqtt.maxPacketBytes at the node.",
  store_full: "Make room on the node's disk, or raise its limits.",
}

/** What an error of mqtt.js means. @param what was refused, e.g. `The message on a/b` */
export function refusalOf(error: unknown, what: string): FogError {
  const code = Number((error as { code?: unknown }).code)
  const known = codes[code] ?? "request_invalid"
  const shown = Number.isInteger(code) ? ` (reason 0x${code.toString(16).padStart(2, "0")})` : ""
  const hint = hints[known]
  return new FogError(known, {
    message: `${what} was refused: ${(error as Error).message.replace(/^[^:]* (error|refused): /, "")}${shown}`,
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  })
}

export const isReasonCode = (code: unknown): boolean => typeof code === "number" && code > 0

/** Nobody is there, or who is there does not speak MQTT. A Brume node is asked over HTTP why. */
export async function unreachable({ url, httpUrl }: Broker, cause: unknown): Promise<FogError> {
  if (httpUrl !== undefined) {
    const answer = await problemAt(httpUrl)
    if (answer !== undefined) return answer
  }
  const code = String((cause as { code?: unknown } | undefined)?.code ?? "")
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nothing listens there",
    ENOTFOUND: "there is no such host",
    ECONNRESET: "it broke the connection off",
  }
  const why = reasons[code] ?? (cause instanceof Error && cause.message !== "" ? cause.message : "it says nothing")
  return new FogError("node_unreachable", {
    message: `No broker answers at ${url}: ${why}`,
    hint:
      httpUrl === undefined
        ? "Is the address right, and does the broker run? A node listens for MQTT when it has mqtt.listen."
        : "Start a node with brume up, or give its address with --url.",
    cause,
  })
}

/** How long a node may take to say why, ms. */
const askMs = 3_000

async function problemAt(url: string): Promise<FogError | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(askMs) })
    const problem = (await answer.json()) as Partial<Problem>
    const { code, detail = "", hint } = problem
    // That it is not a handshake is what this question has coming.
    if (code === undefined || !(code in errorRegistry) || code === "request_invalid") return undefined
    if (code !== "not_found") return new FogError(code, { message: detail, ...(hint === undefined ? {} : { hint }) })
    return new FogError("not_found", {
      message: `The node at ${url} speaks no MQTT over WebSocket`,
      hint: "It is older than this command. Give its MQTT listener with --mqtt-url.",
    })
  } catch {
    return undefined
  }
}
