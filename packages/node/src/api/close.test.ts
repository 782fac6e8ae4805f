import { expect, test } from "vitest"
import { type ApiRig, apiRig } from "../../../../test/rig/api.ts"
import { parseRawAnswer, rawConnection } from "../../../../test/rig/raw-http.ts"

const line = "m v=1"

function write(rig: ApiRig, url: string) {
  return fetch(`${url}/write`, { method: "POST", headers: { authorization: `Token ${rig.admin}` }, body: line })
}

test("a request that runs when the node stops is finished and answered", async () => {
  const rig = await apiRig()
  const api = await rig.listen()
  const release = rig.store.hold()
  const answer = write(rig, api.url)
  await expect.poll(() => rig.store.stats().nextSeq).toBe(3)
  const closed = api.close()
  release()
  expect((await answer).status).toBe(204)
  await closed
})

test("a request that does not finish is cut off, and closing still ends", async () => {
  const rig = await apiRig()
  const api = await rig.listen({ limits: { drainMs: 100 } })
  rig.store.hold()
  const answer = write(rig, api.url).catch(() => "cut off")
  await expect.poll(() => rig.store.stats().nextSeq).toBe(3)
  await api.close()
  expect(await answer).toBe("cut off")
})

test("after stopIntake new requests are refused on open connections, and new connections are not taken", async () => {
  const rig = await apiRig()
  const api = await rig.listen()
  const connection = await rawConnection(api.address)
  connection.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n")
  await new Promise((resolve) => setTimeout(resolve, 20))
  api.stopIntake()
  api.stopIntake()
  connection.write("\r\n")
  const { status, headers, body } = parseRawAnswer(await connection.until("}"))
  expect([status, JSON.parse(body).code, headers["retry-after"]]).toEqual([503, "store_closed", "2"])
  await expect(rawConnection(api.address)).rejects.toThrow(/ECONNREFUSED/)
  connection.socket.destroy()
  await api.close()
})

test("closing ends idle connections and half-sent requests, and may be asked for twice", async () => {
  const rig = await apiRig()
  const api = await rig.listen({ limits: { drainMs: 100 } })
  const idle = await rawConnection(api.address)
  idle.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
  await idle.until("ok")
  const half = await rawConnection(api.address)
  half.write(
    `POST /write HTTP/1.1\r\nhost: localhost\r\nauthorization: Token ${rig.admin}\r\ncontent-length: 9\r\n\r\nm`,
  )
  const silent = await rawConnection(api.address)
  const first = api.close()
  expect(api.close()).toBe(first)
  await Promise.all([first, idle.ended(), half.ended(), silent.ended()])
})
