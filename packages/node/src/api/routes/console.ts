/**
 * The web console: static files, served to everybody, as they hold nothing of the node. They ask for a token.
 * Where it was not built, a page says what the node is and where its API is described.
 */
import fastifyStatic from "@fastify/static"
import type { FastifyInstance, FastifyReply } from "fastify"
import { pagePolicy } from "../gate.ts"
import type { Operation } from "../operation.ts"

export interface ConsoleRoutesOptions {
  /** Absolute path of the built console; undefined where there is none. */
  readonly folder: string | undefined
  readonly version: string
}

/** Not in the OpenAPI document: pages for people. */
const page: Operation = {
  id: "console",
  tag: "node",
  summary: "The web console",
  access: "public",
  answers: { 200: { description: "A page." } },
}

/** Names of files under here carry a hash of their content: they never change. */
const immutableFolder = "assets/"

export async function addConsoleRoutes(app: FastifyInstance, options: ConsoleRoutesOptions): Promise<void> {
  const { folder } = options
  const route = { schema: { hide: true }, config: { operation: page } }
  if (folder === undefined) {
    app.get("/", route, (_request, reply) => sendPlaceholder(reply, options.version))
    return
  }
  await app.register(fastifyStatic, {
    root: folder,
    serve: false,
    index: false,
    dotfiles: "ignore",
    preCompressed: true,
    cacheControl: false,
    acceptRanges: false,
  })
  app.get("/", route, (_request, reply) => sendPage(reply, "index.html"))
  app.get<{ Params: { "*": string } }>("/*", route, (request, reply) => {
    const file = request.params["*"]
    if (!isPlain(file)) return reply.callNotFound()
    return sendPage(reply, file)
  })
}

function sendPage(reply: FastifyReply, file: string): FastifyReply {
  const isImmutable = file.startsWith(immutableFolder)
  return reply
    .header("content-security-policy", pagePolicy)
    .header("cache-control", isImmutable ? "public, max-age=31536000, immutable" : "no-cache")
    .header("vary", "accept-encoding")
    .sendFile(file)
}

/** Files of the console have simple names; everything else is not looked for on the disk at all. */
function isPlain(file: string): boolean {
  return /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/.test(file)
}

export function sendPlaceholder(reply: FastifyReply, version: string): void {
  reply
    .header("content-security-policy", pagePolicy)
    .header("content-type", "text/html; charset=utf-8")
    .send(placeholder.replace("VERSION", version))
}

const placeholder = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Brume</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<main>
<h1>Brume VERSION</h1>
<p>This node is running. Its web console was not built: <code>npm run build</code> builds it.</p>
<p>Meanwhile: <a href="/docs">the API and a form to try it</a>, <a href="/healthz">health</a>.</p>
</main>
</body>
</html>
`
