/** MQTT over TLS, with the certificate that the node made for itself and a token as the password. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { connectAsync } from "mqtt"
import { expect, onTestFinished, test } from "vitest"
import { startNode, temporaryFolder } from "../rig/node-process.ts"

test("a client that trusts the node's certificate gets in with a token, and with nothing else", async () => {
  const folder = await temporaryFolder()
  onTestFinished(() => folder[Symbol.asyncDispose]())
  const node = await startNode(folder.path, ["--mqtts", "127.0.0.1:0"])
  onTestFinished(() => node[Symbol.asyncDispose]())
  const url = `mqtts://localhost:${node.mqttsPort}`
  const ca = await readFile(join(folder.path, "tls/certificate.pem"))
  const password = (await readFile(join(folder.path, "admin-token"), "utf8")).trim()
  const options = { protocolVersion: 5, reconnectPeriod: 0, username: "anybody" } as const
  const client = await connectAsync(url, { ...options, ca, password })
  await client.publishAsync("devices/lamp/power", "4.5", { qos: 1 })
  await client.endAsync()
  await expect(connectAsync(url, { ...options, ca, password: "a guess" })).rejects.toMatchObject({ code: 0x86 })
  await expect(connectAsync(url, { ...options, password })).rejects.toThrow(/certificate/)
})
