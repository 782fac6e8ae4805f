import { expect, test } from "vitest"
import { brume } from "../../../../test/rig/recorded-terminal.ts"
import { json, scriptedNode } from "../../../../test/rig/scripted-node.ts"

const device = {
  device: "cold/room-1",
  received: "2025-01-01T00:00:00.000000Z",
  latest: [
    {
      property: "temperature",
      value: 4.2,
      text: null,
      json: null,
      tags: '{"unit":"C"}',
      quality: 5,
      time: "2025-01-01T00:00:00.000000Z",
    },
    {
      property: "door",
      value: null,
      text: "open",
      json: null,
      tags: "{}",
      quality: 0,
      time: "2025-01-01T00:00:00.000000Z",
    },
  ],
}

test("devices are listed over all pages, and described with each series", async () => {
  await using node = await scriptedNode(({ url }, response) => {
    if (url.includes("room-1")) json(response, device)
    else
      json(
        response,
        url.includes("cursor") ? { devices: [{ ...device, device: "z" }] } : { devices: [device], cursor: "c" },
      )
  })
  const list = await brume(["get", "devices", "--url", node.url, "--device", "cold/#"])
  expect(list.stdout).toContain("cold/room-1")
  expect(list.stdout).toContain("temperature 4.2, door open")
  expect(node.requests[0]?.url).toBe("/v1/devices?device=cold%2F%23")
  expect(JSON.parse((await brume(["get", "devices", "--url", node.url, "--json"])).stdout)).toHaveLength(2)
  const described = (await brume(["describe", "device", "cold/room-1", "--url", node.url])).stdout
  expect(described).toMatch(/^Device +cold\/room-1$/m)
  expect(described).toMatch(/^temperature +4\.2 .*unit.*device clock, marked by the device$/m)
})

test("the secret of a new token is all that goes to stdout", async () => {
  const token = { id: "k1", name: "dash", scopes: ["read"], created: "2025-01-01T00:00:00.000000Z" }
  await using node = await scriptedNode((_request, response) => json(response, { token, secret: "brume_k1_s" }, 201))
  const end = await brume([
    "token",
    "create",
    "dash",
    "--scope",
    "read",
    "--device",
    "a/#",
    "--expires",
    "90d",
    "--url",
    node.url,
  ])
  expect(end.stdout).toBe("brume_k1_s\n")
  expect(end.stderr).toContain("k1")
  const body = JSON.parse(node.requests[0]?.body ?? "") as { expires: string }
  expect(body).toMatchObject({ name: "dash", scopes: ["read"], devices: ["a/#"] })
  expect(Date.parse(body.expires) - Date.now()).toBeGreaterThan(89 * 86_400_000)
})
