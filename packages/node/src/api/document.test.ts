import { createRequire } from "node:module"
import { errorRegistry } from "@brume/core"
import { expect, test } from "vitest"
import { apiRig } from "../../../../test/rig/api.ts"

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string }

interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, DocumentOperation>>
  readonly components: { readonly schemas: Record<string, unknown> }
  readonly tags: readonly { readonly name: string }[]
}

interface DocumentOperation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly responses: Record<
    string,
    { description: string; content?: Record<string, { schema: object; example?: unknown }> }
  >
  readonly requestBody?: { content: Record<string, { example?: unknown }> }
}

async function document(): Promise<Document> {
  const { fastify } = await (await apiRig()).app({ version })
  const answer = await fastify.inject("/v1/openapi.json")
  expect(answer.statusCode).toBe(200)
  return answer.json()
}

const operationsOf = ({ paths }: Document) => Object.values(paths).flatMap((item) => Object.values(item))

test("the document in docs/reference is the one that the node serves", async () => {
  const text = `${JSON.stringify(await document(), null, 2)}\n`
  await expect(text).toMatchFileSnapshot("../../../../docs/reference/openapi.json")
})

test("the document is OpenAPI 3.1 without loose ends", async () => {
  const served = await document()
  expect(served.openapi).toBe("3.1.0")
  const text = JSON.stringify(served)
  for (const [, name] of text.matchAll(/"\$ref":"([^"]+)"/g)) {
    expect(served.components.schemas).toHaveProperty([name!.replace("#/components/schemas/", "")])
  }
  const ids = operationsOf(served).map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  const tags = served.tags.map(({ name }) => name)
  for (const { summary, tags: own, responses } of operationsOf(served)) {
    expect(summary).not.toBe("")
    expect(tags).toContain(own[0])
    for (const { description } of Object.values(responses)) expect(description).not.toBe("")
  }
})

test("every body has an example, and every example of an answer is in its schema's words", async () => {
  for (const { operationId, requestBody, responses } of operationsOf(await document())) {
    for (const [type, { example }] of Object.entries(requestBody?.content ?? {})) {
      expect([operationId, type, example]).not.toEqual([operationId, type, undefined])
    }
    for (const { content } of Object.values(responses)) {
      const { schema, example } = content?.["application/json"] ?? {}
      const required = (schema as { required?: string[] } | undefined)?.required ?? []
      if (example !== undefined) expect(Object.keys(example as object)).toEqual(expect.arrayContaining(required))
    }
  }
})

test("problems name codes of the registry with the status that it has", async () => {
  for (const { responses } of operationsOf(await document())) {
    for (const [status, { description }] of Object.entries(responses)) {
      for (const [, code] of description.matchAll(/^`(\w+)`:/gm)) {
        expect(errorRegistry[code as keyof typeof errorRegistry]?.status).toBe(Number(status))
      }
    }
  }
})

test("the page that shows it needs nothing from elsewhere and no markup from the document", async () => {
  const { fastify } = await (await apiRig()).app()
  const page = await fastify.inject("/docs")
  expect(page.headers["content-security-policy"]).toMatch(/default-src 'none'; script-src 'self';/)
  for (const [, file] of page.body.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)) {
    expect(file).toMatch(/^\//)
    expect((await fastify.inject(file!)).statusCode).toBe(200)
  }
  const script = (await fastify.inject("/docs/page.js")).body
  expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacent|document\.write|eval/)
  // Compiles; a browser runs it in the end-to-end tests.
  expect(() => new Function(script)).not.toThrow()
})
