/** `document_invalid`: the mistakes of everything that was to be applied together. */
import { type DocumentMistake, FogError } from "@brume/core"

export interface Candidate {
  readonly document: unknown
  /** Its place among those that came together. */
  readonly index: number
  readonly mistakes: readonly DocumentMistake[]
}

/** Mistakes that the message lists; `details.mistakes` has those beyond them. */
const mostInMessage = 10
/** Mistakes in `details`, of all documents together. */
const mostInDetails = 200

export function invalid(candidates: readonly Candidate[]): FogError {
  const all = candidates.flatMap(({ document, index, mistakes }) =>
    mistakes.map(({ path, problem }) => ({ document: index, ...nameOf(document), path, problem })),
  )
  const lines = all.slice(0, mostInMessage).map(({ document, kind, name, path, problem }) => {
    const which = [kind ?? `document ${document + 1}`, name].filter((word) => word !== undefined).join(" ")
    return `${which}: ${path === "" ? "" : `${path} `}${problem}`
  })
  const rest = all.length - lines.length
  return new FogError("document_invalid", {
    message: `${lines.join("; ")}${rest > 0 ? `; and ${rest} more` : ""}`,
    hint: "Nothing was applied. Correct each mistake; the schema of a kind is at /v1/schemas/<kind>.",
    details: {
      mistakes: all.slice(0, mostInDetails),
      ...(all.length > mostInDetails ? { more: all.length - mostInDetails } : {}),
    },
  })
}

/** As far as it says who it is. */
function nameOf(document: unknown): { readonly kind?: string; readonly name?: string } {
  const { kind, metadata } = (document ?? {}) as { readonly kind?: unknown; readonly metadata?: unknown }
  const { name } = (metadata ?? {}) as { readonly name?: unknown }
  return {
    ...(typeof kind === "string" ? { kind: kind.slice(0, 80) } : {}),
    ...(typeof name === "string" ? { name: name.slice(0, 80) } : {}),
  }
}
