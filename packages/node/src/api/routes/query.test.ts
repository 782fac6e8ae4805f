import { FogError, type QueryAnswer, type QueryRequest } from "@brume/core"
import { expect, test } from "vitest"
import { type ApiRig, apiRig, pieces } from "../../../../../test/rig/api.ts"
import { rawConnection } from "../../../../../test/rig/raw-http.ts"
import type { Api } from "../api.ts"
import type { ApiLimits } from "../options.ts"

interface Open extends AsyncDisposable {
  readonly rig: ApiRig
  readonly api: Api
  ask(signal?: AbortSignal): Promise<Response>
}

async function opened(limits: Partial<ApiLimits> = {}): Promise<Open> {
  const rig = await apiRig()
  const api = await rig.listen({ limits })
  const headers = { authorization: `Bearer ${rig.admin}`, "content-type": "application/json" }
  const body = JSON.stringify({ sql: "SELECT 1" })
  return {
    rig,
    api,
    ask: (signal) =>
      fetch(`${api.url}/v1/query`, { method: "POST", headers, body, ...(signal === undefined ? {} : { signal }) }),
    [Symbol.asyncDispose]: () => api.close(),
  }
}

/** An endless answer that counts what was taken from it and knows when nobody wants more. */
function endless(pieceBytes: number) {
  const state = { taken: 0, isEnded: false }
  const piece = Buffer.alloc(pieceBytes, "x")
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        state.taken++
        yield piece
        // A statement gives way to others between its pieces.
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      state.isEnded = true
    }
  }
  const answer: QueryAnswer = { id: "q-1", contentType: "text/csv", body: body() }
  return { state, answer }
}

const askBytes = (secret: string) => {
  const body = JSON.stringify({ sql: "SELECT 1" })
  return (
    `POST /v1/query HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${secret}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
}

test("a client that reads slowly holds its statement back, and nothing grows meanwhile", async () => {
  await using open = await opened()
  const { state, answer } = endless(65_536)
  open.rig.answers = () => answer
  const connection = await rawConnection(open.api.address)
  connection.socket.pause()
  connection.write(askBytes(open.rig.admin))
  let before = -1
  await expect
    .poll(
      () => {
        const isStill = state.taken === before && state.taken > 0
        before = state.taken
        return isStill
      },
      { interval: 100 },
    )
    .toBe(true)
  // The kernel's buffers hold some MB; a statement without brakes would have given thousands of pieces.
  expect(state.taken).toBeLessThan(400)
  expect(state.isEnded).toBe(false)
  connection.socket.destroy()
  await expect.poll(() => state.isEnded).toBe(true)
})

test("a client that reads nothing any more loses its answer, and the statement ends", async () => {
  await using open = await opened({ stallMs: 100 })
  const { state, answer } = endless(65_536)
  open.rig.answers = () => answer
  const connection = await rawConnection(open.api.address)
  connection.socket.pause()
  connection.write(askBytes(open.rig.admin))
  await expect.poll(() => state.isEnded).toBe(true)
  connection.socket.resume()
  await connection.ended()
})

test("a statement that takes its time is not a stalled client", async () => {
  await using open = await opened({ stallMs: 30 })
  open.rig.answers = () => ({
    id: "q-1",
    contentType: "text/csv",
    body: (async function* () {
      yield Buffer.from("a\r\n")
      await new Promise((resolve) => setTimeout(resolve, 200))
      yield Buffer.from("1\r\n")
    })(),
  })
  expect(await (await open.ask()).text()).toBe("a\r\n1\r\n")
})

test("a client that goes away before the first row cancels its statement", async () => {
  await using open = await opened()
  let asked: QueryRequest | undefined
  open.rig.answers = (request) => {
    asked = request
    return new Promise((_resolve, reject) => {
      request.signal?.addEventListener("abort", () => {
        reject(new FogError("query_cancelled", { message: "Its caller went away" }))
      })
    })
  }
  const abort = new AbortController()
  const answer = open.ask(abort.signal).catch(() => "gone")
  await expect.poll(() => asked).toBeDefined()
  abort.abort()
  expect(await answer).toBe("gone")
  await expect.poll(() => asked?.signal?.aborted).toBe(true)
  expect(open.rig.logger.messages("error")).toEqual([])
})

test("a statement that fails after its first rows breaks the answer off instead of ending it well", async () => {
  await using open = await opened()
  open.rig.answers = () => ({
    id: "q-1",
    contentType: "text/csv",
    body: pieces("a\r\n", "1\r\n", new FogError("query_timeout", { message: "It ran too long" })),
  })
  const answer = await open.ask()
  expect(answer.status).toBe(200)
  await expect(answer.text()).rejects.toThrow()
  expect(open.rig.logger.messages("error")).toEqual([])
})

test("in JSON the last thing that is said is why an answer breaks off", async () => {
  await using open = await opened()
  open.rig.answers = () => ({
    id: "q-1",
    contentType: "application/json",
    body: pieces('{"rows":[\n{"a":1}', new FogError("query_too_many_rows", { message: "Too many rows" })),
  })
  const answer = await open.ask()
  const decoder = new TextDecoder()
  let text = ""
  const read = async (): Promise<void> => {
    for await (const piece of answer.body ?? []) text += decoder.decode(piece)
  }
  await expect(read()).rejects.toThrow()
  expect(JSON.parse(text)).toMatchObject({ rows: [{ a: 1 }], error: { code: "query_too_many_rows", status: 413 } })
})

test("only a fault of ours that breaks an answer off is in the log", async () => {
  await using open = await opened()
  open.rig.answers = () => ({
    id: "q-1",
    contentType: "text/csv",
    body: (async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("a\r\n")
      throw new TypeError("a fault")
    })(),
  })
  await expect((await open.ask()).text()).rejects.toThrow()
  expect(open.rig.logger.messages("error")).toEqual(["A statement failed after its first rows"])
})
