/** The words of a `select`, with where they begin. */

export interface Token {
  readonly kind: "name" | "number" | "sign" | "end"
  /** Names in lower case; as they were written in {@link Token.written}. */
  readonly text: string
  readonly written: string
  readonly at: number
}

const pattern = /\s*(?:([A-Za-z_][A-Za-z0-9_]*)|([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+)|([-+*/(),])|(\S))/y

/** The words, or what is none. */
export function tokensOf(source: string): readonly Token[] | { readonly problem: string } {
  const tokens: Token[] = []
  pattern.lastIndex = 0
  for (let match = pattern.exec(source); match !== null; match = pattern.exec(source)) {
    const [, name, number, sign, other] = match
    if (other !== undefined) return { problem: `has ${JSON.stringify(other)}, which is nothing here` }
    const written = (name ?? number ?? sign)!
    tokens.push({
      kind: name !== undefined ? "name" : number !== undefined ? "number" : "sign",
      text: written.toLowerCase(),
      written,
      at: pattern.lastIndex - written.length,
    })
    // A failed match sets it back.
    if (pattern.lastIndex === source.length) break
  }
  tokens.push({ kind: "end", text: "", written: "the end", at: source.length })
  return tokens
}
