/** How many cells a text takes in a terminal. */

/** Marks that join the character before them, and invisible ones. */
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}]/u
/** East Asian wide and fullwidth letters, and pictures. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

export function textWidth(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: plain ASCII is the common case and needs no look-up.
  if (/^[\x00-\x7f]*$/.test(text)) return text.length
  let cells = 0
  for (const character of text) cells += zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1
  return cells
}

/** Cuts a text so that it takes at most `cells`, with an ellipsis where something is missing. */
export function cutText(text: string, cells: number): string {
  if (textWidth(text) <= cells) return text
  let kept = ""
  let width = 0
  for (const character of text) {
    width += textWidth(character)
    if (width > cells - 1) break
    kept += character
  }
  return `${kept}…`
}

/** Control characters would move the cursor, or worse: they are shown as what they are. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    if (character === "\n") return "⏎"
    if (character === "\t") return " "
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`
  })
}
