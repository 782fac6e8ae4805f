/** Query strings are texts; these give them the types that a schema asks for, before it is checked. */

/** A parameter that was given once is a list of one. */
export function listed(query: unknown, names: readonly string[]): void {
  const given = query as Record<string, unknown>
  for (const name of names) if (typeof given[name] === "string") given[name] = [given[name]]
}

/** A whole number in decimal digits; everything else stays as it is and fails the schema. */
export function numbered(query: unknown, names: readonly string[]): void {
  const given = query as Record<string, unknown>
  for (const name of names) {
    const text = given[name]
    if (typeof text === "string" && /^\d{1,15}$/.test(text)) given[name] = Number(text)
  }
}
