/** A real browser, where one is installed. */
import { accessSync, constants } from "node:fs"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { onTestFailed } from "vitest"

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/snap/bin/chromium"]

/** Path of Chromium, or undefined where there is none. BRUME_CHROMIUM names another one. */
export function findChromium(): string | undefined {
  const named = process.env.BRUME_CHROMIUM
  return (named === undefined ? places : [named]).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export function openBrowser(executablePath: string): Promise<Browser> {
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", ...quiet] })
}

/** A page that remembers what must not happen on it. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page
  /** Errors on the page's console, violations of its policy among them, and errors that nobody caught. */
  readonly errors: string[]
  /** Requests to other origins. */
  readonly foreign: string[]
}

export async function openPage(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const errors: string[] = []
  const foreign: string[] = []
  const failed: string[] = []
  let shown = ""
  // A missing element alone tells nothing.
  onTestFailed(() => console.log({ errors, failed: failed.slice(-10), shown }))
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text())
  })
  page.on("pageerror", (error) => errors.push(String(error.stack)))
  page.on("request", (request) => {
    const url = new URL(request.url())
    if (url.origin !== origin && !["blob:", "data:"].includes(url.protocol)) foreign.push(url.href)
  })
  page.on("requestfailed", (request) => failed.push(`${request.url()}: ${request.failure()?.errorText}`))
  return {
    page,
    errors,
    foreign,
    async [Symbol.asyncDispose]() {
      shown = await page.innerText("body", { timeout: 1_000 }).catch(() => "nothing")
      await context.close()
    },
  }
}
