/** The OpenAPI document and a page that shows it. Public: both are the same on every node and hold nothing of this one. */
import type { FastifyInstance } from "fastify"
import { page } from "../docs-page/page.ts"
import { script } from "../docs-page/script.ts"
import { style } from "../docs-page/style.ts"
import { pagePolicy } from "../gate.ts"
import type { Operation } from "../operation.ts"

const document: Operation = {
  id: "openapi",
  tag: "node",
  summary: "The OpenAPI document",
  access: "public",
  answers: { 200: { description: "OpenAPI 3.1.", content: { "application/json": { schema: { type: "object" } } } } },
}

const docs: Operation = {
  id: "docs",
  tag: "node",
  summary: "The API page",
  access: "public",
  answers: { 200: { description: "A page that shows the document and sends requests.", content: { "text/html": {} } } },
}

export function addDocsRoutes(app: FastifyInstance, build: () => unknown): void {
  // Built when somebody asks for the first time; the same for the life of the process.
  let built: string | undefined
  app.route({
    method: "GET",
    url: "/v1/openapi.json",
    config: { operation: document },
    handler: (_request, reply) => {
      built ??= JSON.stringify(build())
      reply.header("content-type", "application/json; charset=utf-8").header("cache-control", "no-cache").send(built)
    },
  })
  const files = { "/docs": ["html", page], "/docs/page.css": ["css", style], "/docs/page.js": ["javascript", script] }
  for (const [url, [type, text]] of Object.entries(files)) {
    app.route({
      method: "GET",
      url,
      schema: { hide: type !== "html" },
      config: { operation: docs },
      handler: (_request, reply) => {
        reply
          .header("content-type", `text/${type}; charset=utf-8`)
          .header("content-security-policy", pagePolicy)
          .header("cache-control", "no-cache")
          .send(text)
      },
    })
  }
}
