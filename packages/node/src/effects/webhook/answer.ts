/** What the status of an answer says about a webhook. (W4 in webhook.ts) */
import { type Clock, FogError } from "@brume/core"

export interface Answered {
  readonly statusCode?: number | undefined
  readonly headers: { readonly "retry-after"?: string | undefined }
}

/** Undefined where it was done. */
export function problemOfAnswer(
  { statusCode: status = 0, headers }: Answered,
  host: string,
  clock: Pick<Clock, "now">,
): FogError | undefined {
  if (status >= 200 && status < 300) return undefined
  if (status === 429 || status === 503) {
    const retryAfterMs = waitOf(headers["retry-after"], clock)
    return new FogError("webhook_failed", {
      message: `${host} answered ${status}: it does not take the request now`,
      hint: "Its own log says why.",
      ...(retryAfterMs === undefined ? {} : { details: { retryAfterMs } }),
    })
  }
  if (status === 408 || (status >= 500 && status !== 501))
    return new FogError("effect_in_doubt", { message: `${host} answered ${status}: it may have been done, or a part` })
  const isRedirect = status >= 300 && status < 400
  return new FogError("webhook_rejected", {
    message: `${host} answered ${status}${isRedirect ? ", and redirects are not followed" : ""}`,
    hint: isRedirect ? "Write the address that it redirects to." : "Look at the address, the headers and the body.",
  })
}

/** `Retry-After`: seconds or a date. ms */
function waitOf(text: string | undefined, clock: Pick<Clock, "now">): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1_000
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, at - clock.now() / 1_000)
}
