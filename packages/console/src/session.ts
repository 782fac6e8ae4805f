/**
 * The token of this tab: from the address's fragment `#token=…`, else from the tab's session storage.
 *
 * The fragment never leaves the browser, and is taken out of the address bar (and so of the history) at once. The
 * session storage ends with the tab.
 */
const storageKey = "brume.token"

export function takeToken(): string | undefined {
  const fragment = new URLSearchParams(location.hash.slice(1))
  const given = fragment.get("token")
  if (given === null) return sessionStorage.getItem(storageKey) ?? undefined
  fragment.delete("token")
  const rest = fragment.toString()
  history.replaceState(null, "", `${location.pathname}${location.search}${rest === "" ? "" : `#${rest}`}`)
  if (given === "") return undefined
  keepToken(given)
  return given
}

export function keepToken(token: string): void {
  sessionStorage.setItem(storageKey, token)
}

export function forgetToken(): void {
  sessionStorage.removeItem(storageKey)
}
