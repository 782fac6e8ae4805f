/** Functions of a whole node, deployed and called over HTTP. */
import type { WholeNode } from "./whole-node.ts"

export interface GivenFunction {
  /** @default "javascript" */
  readonly runtime?: string
  /** Beside runtime and entry. */
  readonly spec?: object
  /** CommonJS, or Python. */
  readonly code: string
  readonly accept?: boolean
}

export interface Answered<Body = unknown> {
  readonly status: number
  readonly body: Body
}

/** Calls with the admin's token, or with none. */
type Caller = Pick<WholeNode, "call">

export function documentOf(name: string, { runtime = "javascript", spec = {} }: Omit<GivenFunction, "code">): object {
  const entry = runtime === "python" ? "main.py" : "main.js"
  return { apiVersion: "brume.dev/v1", kind: "Function", metadata: { name }, spec: { runtime, entry, ...spec } }
}

export async function deploy(
  { call }: Caller,
  name: string,
  given: GivenFunction,
): Promise<Answered<Record<string, unknown>>> {
  const file = given.runtime === "python" ? "main.py" : "bundle.cjs"
  return await answered(
    call(`/v1/functions/${name}/deploy`, {
      ...posted({
        ...{ document: documentOf(name, given), files: { [file]: given.code } },
        ...(given.accept === undefined ? {} : { acceptUnsandboxed: given.accept }),
      }),
    }),
  )
}

export async function invoke<Body = unknown>(
  { call }: Caller,
  name: string,
  event?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered<Body>> {
  const { headers: own, ...init } = posted(event ?? null)
  return await answered(call(`/v1/functions/${name}/invoke`, { ...init, headers: { ...own, ...headers } }))
}

export function posted(body: unknown) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
}

export async function answered<Body>(answer: Promise<Response>): Promise<Answered<Body>> {
  const response = await answer
  const text = await response.text()
  return { status: response.status, body: (text === "" ? undefined : JSON.parse(text)) as Body }
}

export async function linesOf({ call }: Caller, name: string): Promise<string[]> {
  const text = await (await call(`/v1/functions/${name}/logs`)).text()
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { message: string }).message)
}
