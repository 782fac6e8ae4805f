/**
 * Alternatives of a schema (`oneOf`, `anyOf`): ajv tells what is wrong with each of them; people meant one. What is wrong
 * with that one is kept; where nobody can tell which it is, one mistake names the choices.
 */
import type { DocumentMistake, JsonSchema } from "@brume/core"
import type { ErrorObject } from "ajv"
import { mistakeOf, pathOf, typeNames } from "./wording.ts"

interface Found {
  readonly mistake: DocumentMistake
  readonly schemaPath: string
  /** Where this says that an alternative was not meant, rather than that something in it is wrong. */
  readonly misfitAt?: string | undefined
  readonly pointer: string
  readonly isMistyped?: boolean
  /** Says that one alternative must be chosen. */
  readonly isChoice?: boolean
}

/**
 * Of the errors of one validation, as ajv orders them: those of the alternatives before that of the choice.
 * @param schema the whole, where references lead to.
 */
export function mistakesOf(errors: readonly ErrorObject[], schema: JsonSchema): DocumentMistake[] {
  let found: Found[] = []
  for (const error of errors) {
    if (error.keyword === "oneOf" || error.keyword === "anyOf") found = chosen(error, { found, root: schema })
    else {
      const mistake = mistakeOf(error)
      if (mistake === undefined) continue
      const { schemaPath, instancePath: pointer, keyword } = error
      found.push({ mistake, schemaPath, pointer, misfitAt: misfitOf(error), isMistyped: keyword === "type" })
    }
  }
  // A value of the wrong type fits no alternative, or each of them: no need to say so.
  const mistyped = new Set(found.filter(({ isMistyped }) => isMistyped).map(({ pointer }) => pointer))
  found = found.filter(({ isChoice, pointer }) => !(isChoice && mistyped.has(pointer)))
  // Two keywords may find the same mistake.
  return [...new Map(found.map(({ mistake }) => [`${mistake.path}\u0000${mistake.problem}`, mistake])).values()]
}

const misfits: ReadonlySet<string> = new Set(["required", "type", "additionalProperties", "unevaluatedProperties"])

function misfitOf({ keyword, instancePath }: ErrorObject): string | undefined {
  // A constant member, such as `type: sliding`, says which alternative the object is.
  if (keyword === "const") return instancePath.slice(0, Math.max(0, instancePath.lastIndexOf("/")))
  return misfits.has(keyword) ? instancePath : undefined
}

type Branch = Readonly<Record<string, unknown>>

/** What a reference into `$defs` leads to. */
function referred(branch: Branch, { $defs }: JsonSchema): Branch {
  const [, name] = typeof branch.$ref === "string" ? (/^#\/\$defs\/([^/]+)$/.exec(branch.$ref) ?? []) : []
  const target = name === undefined ? undefined : ($defs as Readonly<Record<string, Branch>> | undefined)?.[name]
  return target ?? branch
}

function chosen(
  { schemaPath, instancePath, schema, params, keyword, data }: ErrorObject,
  { found, root }: { readonly found: readonly Found[]; readonly root: JsonSchema },
): Found[] {
  const branches = schema as readonly Branch[]
  const own = branches.map((branch, index) => {
    const prefixes = [`${schemaPath}/${index}/`, ...(typeof branch.$ref === "string" ? [`${branch.$ref}/`] : [])]
    return found.filter(
      ({ pointer, schemaPath: path }) =>
        (pointer === instancePath || pointer.startsWith(`${instancePath}/`)) &&
        prefixes.some((prefix) => path.startsWith(prefix)),
    )
  })
  const others = found.filter((one) => !own.some((errors) => errors.includes(one)))
  const passing: unknown = params.passingSchemas
  const generic = (problem: string): Found[] => [
    ...others,
    {
      mistake: { path: pathOf(instancePath), problem },
      ...{ schemaPath, pointer: instancePath, isChoice: true },
    },
  ]
  const names = branches.map((branch) => nameOf(referred(branch, root)))
  if (Array.isArray(passing))
    return generic(`must be only one of ${passing.map((index) => names[Number(index)]).join("; ")}`)
  /** How much says that each alternative was not meant: what stands at this very place. */
  const doubts = own.map((errors) => errors.filter(({ misfitAt }) => misfitAt === instancePath).length)
  const least = Math.min(...doubts)
  const likely = own.filter((_errors, index) => doubts[index] === least)
  if (likely.length === 1 && !isEmpty(data)) return [...others, ...likely[0]!]
  return generic(`must be ${keyword === "oneOf" ? "exactly one of" : "one of"} ${[...new Set(names)].join("; ")}`)
}

/** Nothing was said, so that no alternative is likelier than another. */
function isEmpty(data: unknown): boolean {
  return typeof data === "object" && data !== null && Object.keys(data).length === 0
}

/** An alternative in a few words. */
function nameOf(branch: Branch): string {
  const { title, required, type, properties } = branch
  if (typeof title === "string") return title
  if (Array.isArray(required) && required.length > 0)
    return required.map((name) => memberOf(String(name), properties)).join(" with ")
  if (typeof branch["x-form"] === "string") return branch["x-form"]
  if (typeof properties === "object" && properties !== null) return Object.keys(properties).join(", ")
  return typeof type === "string" ? (typeNames[type] ?? type) : "another form"
}

/** A required member, with its value where only one fits. */
function memberOf(name: string, properties: unknown): string {
  const value = (properties as Readonly<Record<string, Branch>> | undefined)?.[name]?.const
  return value === undefined ? name : `${name}: ${String(value)}`
}
