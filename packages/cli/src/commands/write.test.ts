import { expect, test } from "vitest"
import { brume } from "../../../../test/rig/recorded-terminal.ts"
import { json, problem, scriptedNode } from "../../../../test/rig/scripted-node.ts"

test("write sends readings given as arguments", async () => {
  await using node = await scriptedNode((_request, response) => json(response, { accepted: 2, seq: 7, epoch: "e" }))
  const end = await brume([
    "write",
    "--url",
    node.url,
    "d/t=4.2",
    "d/door=open",
    "--tag",
    "hall=b",
    "--time",
    "2025-01-01T00:00:00Z",
  ])
  expect(end).toMatchObject({ code: 0, stdout: "2 readings stored\n" })
  expect(node.requests[0]?.body.split("\n").map((line) => JSON.parse(line) as unknown)).toEqual([
    { device: "d", property: "t", value: 4.2, time: "2025-01-01T00:00:00Z", tags: { hall: "b" } },
    { device: "d", property: "door", value: "open", time: "2025-01-01T00:00:00Z", tags: { hall: "b" } },
  ])
})

/** A node that refuses lines with `bad` in them, as the real one does. */

async function refusingNode() {
  const stored: string[] = []
  const node = await scriptedNode(({ body }, response) => {
    const lines = body.split("\n")
    const mistakes = lines.flatMap((line, index) =>
      line.includes("bad") ? [{ at: `line ${index + 1}: value`, reason: "is bad" }] : [],
    )
    if (mistakes.length > 0) {
      problem(response, 400, {
        code: "readings_invalid",
        details: { mistakes: mistakes.slice(0, 2), count: mistakes.length },
      })
      return
    }
    stored.push(...lines)
    json(response, { accepted: lines.length, seq: 0, epoch: "e" })
  })
  return Object.assign(node, { stored })
}

test("write stores the good lines of a stream and names the bad ones by their place in it", async () => {
  await using node = await refusingNode()
  const input = ["one", "", "bad 1", "two", "bad 2", "bad 3", "three"].join("\n")
  const end = await brume(["write", "--url", node.url], { input })
  expect(end.code).toBe(7)
  expect(end.stdout).toBe("3 readings stored\n")
  expect(node.stored).toEqual(["one", "two", "three"])
  expect(end.stderr).toContain(
    "refused line 3: value is bad\nrefused line 5: value is bad\nrefused line 6: value is bad\n",
  )
  expect(end.stderr).toContain("3 lines refused")
})

test("write ends early where too much is refused", async () => {
  await using node = await refusingNode()
  const input = Array.from({ length: 20_000 }, (_, index) => `bad ${index}`).join("\n")
  const end = await brume(["write", "--url", node.url, "--max-refused", "2", "--json"], { input })
  expect(end.code).toBe(7)
  expect(end.stderr).toContain("the rest of the input was not sent")
  expect(node.stored).toEqual([])
})

test("write sends what has come when the input falls silent", async () => {
  await using node = await refusingNode()
  let goOn = (): void => {}
  const silence = new Promise<void>((resolve) => {
    goOn = resolve
  })
  async function* tail(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from("one\n")
    await silence
    yield Buffer.from("two\n")
  }
  const end = brume(["write", "--url", node.url], { input: tail() })
  while (node.stored.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(node.stored).toEqual(["one"])
  goOn()
  expect((await end).stdout).toBe("2 readings stored\n")
})

test("write sends one batch after the other, in the order of the input", async () => {
  let atOnce = 0
  let most = 0
  const seen: string[] = []
  await using node = await scriptedNode(async ({ body }, response) => {
    most = Math.max(most, ++atOnce)
    seen.push(...body.split("\n"))
    await new Promise((resolve) => setTimeout(resolve, 20))
    atOnce--
    json(response, { accepted: body.split("\n").length, seq: 0, epoch: "e" })
  })
  const lines = Array.from({ length: 17_000 }, (_, index) => String(index))
  expect((await brume(["write", "--url", node.url], { input: lines.join("\n") })).stdout).toBe(
    "17,000 readings stored\n",
  )
  expect(most).toBe(1)
  expect(seen).toEqual(lines)
})

test("write reads CSV and line protocol", async () => {
  await using node = await scriptedNode(({ url }, response) => {
    if (url.startsWith("/write")) response.writeHead(204).end()
    else json(response, { accepted: 2, seq: 0, epoch: "e" })
  })
  await brume(["write", "--url", node.url, "--format", "csv", "--device", "s"], { input: "time,t\n1,4\n2,5\n" })
  expect(node.requests[0]?.body).toBe(
    '{"device":"s","values":{"t":4},"time":1}\n{"device":"s","values":{"t":5},"time":2}',
  )
  const end = await brume(["write", "--url", node.url, "--format", "line", "--precision", "s"], {
    input: "m f=1 5\nm f=2 6\n",
  })
  expect(end.stdout).toBe("2 lines stored\n")
  expect(node.requests[1]).toMatchObject({ url: "/write?precision=s", body: "m f=1 5\nm f=2 6" })
})

test("a node that refuses a whole write for another reason ends it with that reason", async () => {
  await using node = await scriptedNode((_request, response) =>
    problem(response, 403, { code: "forbidden", detail: "no write scope" }),
  )
  const end = await brume(["write", "--url", node.url], { input: "x\n" })
  expect(end.code).toBe(4)
  expect(end.stderr).toContain("no write scope (0 readings were stored before)")
})
