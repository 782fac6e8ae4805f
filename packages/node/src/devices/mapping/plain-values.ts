/** Payloads that are one word: how devices write numbers and booleans besides JSON's way. */

/** What programs print for numbers that are none. */
export function isNotANumber(word: string): boolean {
  return /^[-+]?(?:nan|inf|infinity)$/i.test(word)
}

/** JSON of a decimal number with a plus sign, leading zeros, or without digits on one side of its point. */
export function looseNumber(word: string): string | undefined {
  const parts = /^([-+]?)([0-9]*)(?:\.([0-9]*))?([eE][-+]?[0-9]+)?$/.exec(word)
  if (parts === null) return undefined
  const [, sign, whole = "", fraction = "", exponent = ""] = parts
  if (whole === "" && fraction === "") return undefined
  const digits = whole.replace(/^0+(?=[0-9])/, "") || "0"
  return `${sign === "-" ? "-" : ""}${digits}${fraction === "" ? "" : `.${fraction}`}${exponent}`
}

const booleans: Readonly<Record<string, "true" | "false">> = {
  true: "true",
  on: "true",
  yes: "true",
  "1": "true",
  false: "false",
  off: "false",
  no: "false",
  "0": "false",
}

/** JSON of a boolean, however it is capitalised. */
export function booleanOf(word: string): "true" | "false" | undefined {
  const name = word.toLowerCase()
  return Object.hasOwn(booleans, name) ? booleans[name] : undefined
}
