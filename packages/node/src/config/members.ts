/** Keys and sections by their names: the shape of the configuration, and of the objects in its lists. */
import type { Key, Section } from "./key.ts"

/** A key or a section, wherever it stands. */
export type Member = Key<unknown> | Section<Members>
export interface Members {
  readonly [name: string]: Member
}

export type ValuesOf<Members> = { readonly [Name in keyof Members]: ValueOf<Members[Name]> }
type ValueOf<Member> =
  Member extends Section<infer Members> ? ValuesOf<Members> : Member extends Key<infer Value> ? Value : never

export function isSection(member: Member): member is Section<Members> {
  return "members" in member
}
