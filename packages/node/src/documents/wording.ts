/** What ajv found, in words that follow the path in a sentence. */
import { type DocumentMistake, nearest } from "@brume/core"
import type { ErrorObject } from "ajv"
import { formKeyword } from "./envelope.ts"

/** Where, as people write it: `spec.actions[0].webhook.url`. */
export function pathOf(pointer: string, ...further: readonly string[]): string {
  const parts = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
  let path = ""
  for (const part of [...parts, ...further]) {
    if (/^\d+$/.test(part)) path += `[${part}]`
    else if (/^[\w-]+$/.test(part)) path += path === "" ? part : `.${part}`
    else path += `[${JSON.stringify(part.slice(0, longestName))}]`
  }
  return path
}

const longestName = 80

/** undefined where another error says the same better. */
export function mistakeOf(error: ErrorObject): DocumentMistake | undefined {
  const { keyword, instancePath, params } = error
  const extra: unknown = params.additionalProperty ?? params.unevaluatedProperty
  if (typeof extra === "string") return { path: pathOf(instancePath, extra), problem: unknownKey(extra, error) }
  if (typeof params.missingProperty === "string")
    return { path: pathOf(instancePath, params.missingProperty), problem: "is missing" }
  if (keyword === "if" || keyword === "propertyNames") return undefined
  const path =
    error.propertyName === undefined
      ? pathOf(instancePath)
      : pathOf(instancePath, error.propertyName.slice(0, longestName))
  return { path, problem: problemOf(error) }
}

function unknownKey(key: string, { parentSchema }: ErrorObject): string {
  const known = Object.keys((parentSchema?.properties ?? {}) as object)
  const guess = nearest(key, known)
  if (guess !== undefined) return `is unknown here; did you mean ${guess}?`
  return known.length === 0 || known.length > 30 ? "is unknown here" : `is unknown here; known are ${known.join(", ")}`
}

export const typeNames: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
  null: "null",
}

function problemOf({ keyword, params, schema, parentSchema, data, message }: ErrorObject): string {
  const form: unknown = parentSchema?.[formKeyword]
  switch (keyword) {
    case "type":
      return `must be ${[schema]
        .flat()
        .map((type) => typeNames[String(type)] ?? type)
        .join(" or ")}`
    case "const":
      return `must be ${JSON.stringify(params.allowedValue)}`
    case "enum": {
      const allowed = (params.allowedValues as readonly unknown[]).map(String)
      const guess = typeof data === "string" ? nearest(data, allowed) : undefined
      return `must be one of ${allowed.join(", ")}${guess === undefined ? "" : `; did you mean ${guess}?`}`
    }
    case "pattern":
    case "format":
      if (typeof form === "string") return `must be ${form}`
      return exampleOf(parentSchema) ?? `must fit ${String(schema)}`
    case "minimum":
      return `must be at least ${String(params.limit)}`
    case "maximum":
      return `must be at most ${String(params.limit)}`
    case "exclusiveMinimum":
      return `must be more than ${String(params.limit)}`
    case "exclusiveMaximum":
      return `must be less than ${String(params.limit)}`
    case "minProperties":
    case "maxProperties": {
      const known = Object.keys((parentSchema?.properties ?? {}) as object)
      if (Number(params.limit) === 1 && known.length > 0) return `must have one member of ${known.join(", ")}`
      return `must have at ${keyword === "minProperties" ? "least" : "most"} ${amount(keyword, params.limit)}`
    }
    case "minLength":
    case "minItems":
      return Number(params.limit) === 1 ? "must not be empty" : `must have at least ${amount(keyword, params.limit)}`
    case "maxLength":
    case "maxItems":
      return `must have at most ${amount(keyword, params.limit)}`
    case "uniqueItems":
      return `has the same item twice, at ${String(params.j)} and ${String(params.i)}`
    default:
      return typeof form === "string" ? `must be ${form}` : (message ?? "is wrong")
  }
}

function amount(keyword: string, limit: unknown): string {
  const units = { Length: "characters", Items: "items", Properties: "members" }
  return `${String(limit)} ${units[keyword.slice(3) as keyof typeof units]}`
}

/** `examples` are part of JSON Schema: who writes a pattern can say with them what it means. */
function exampleOf(schema: object | undefined): string | undefined {
  const { examples } = (schema ?? {}) as { readonly examples?: readonly unknown[] }
  return examples === undefined || examples.length === 0
    ? undefined
    : `must look like ${examples.map(String).join(", ")}`
}
