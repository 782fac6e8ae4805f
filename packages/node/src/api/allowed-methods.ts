/** Which methods an address knows, so that a wrong one is told from a wrong address. */
import type { FastifyInstance } from "fastify"

export interface AllowedMethods {
  /** Methods of the routes that fit the path, sorted; empty where there are none. */
  of(path: string): string[]
}

/** Must be called before the routes are added. */
export function collectAllowedMethods(app: FastifyInstance): AllowedMethods {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = []
  app.addHook("onRoute", ({ url, method }) => {
    // The console's catch-all fits everything and says nothing about an address.
    if (url.endsWith("*")) return
    const pattern = url.split("/").map((part) => (part.startsWith(":") ? "[^/]+" : part.replace(/[.]/g, "\\.")))
    routes.push({ pattern: new RegExp(`^${pattern.join("/")}$`), methods: [method].flat() })
  })
  return {
    of(path) {
      const fitting = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods)
      return [...new Set(fitting)].sort()
    },
  }
}
