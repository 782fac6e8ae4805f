/** docs/guide/ingest.md and docs/decisions/line-protocol-mapping.md: their commands and tables say what happens. */
import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { SeriesCache } from "@brume/core"
import { describe, expect, test } from "vitest"
import { wholeNode } from "../../../../test/rig/whole-node.ts"
import { defaultIdempotencyLimits } from "./idempotency.ts"
import { defaultPayloadLimits, maxJsonValues } from "./payload/limits.ts"
import { defaultDeviceTags, LineParser } from "./payload/line-protocol.ts"
import { splitName } from "./payload/senml.ts"

const page = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../../docs/${path}`, import.meta.url)), "utf8")
const guide = page("guide/ingest.md")
const decision = page("decisions/line-protocol-mapping.md")

/** Cells of the table that begins with this header line, without their backticks. */
function tables(text: string, header: string): string[][] {
  return text.split("\n\n").flatMap((block) => {
    const lines = block.split("\n").map((line) => line.trim())
    const start = lines.indexOf(header)
    if (start === -1) return []
    return lines
      .slice(start + 2)
      .filter((line) => line.startsWith("|"))
      .map((line) =>
        line
          .slice(1, -1)
          .split("|")
          .map((cell) => cell.trim()),
      )
  })
}

const code = (cell: string): string => cell.replaceAll("`", "")

describe("the tables", () => {
  test.each(["guide", "decision"])("of lines in the %s are what the parser makes", (name) => {
    const rows = tables(name === "guide" ? guide : decision, "| line | device | property | tags |")
    expect(rows.length).toBeGreaterThan(1)
    for (const [line, device, property, tags] of rows) {
      const parser = new LineParser({
        series: new SeriesCache(),
        limits: defaultPayloadLimits,
        deviceTags: defaultDeviceTags,
      })
      const { batch, error } = parser.parse(Buffer.from(code(line!)), { receivedUs: 1.7e15, precision: "ns" })
      expect(error).toBeUndefined()
      expect(batch.series.map((series) => series.property).join(", ")).toBe(code(property!))
      for (const series of batch.series) expect([series.device, series.tags]).toEqual([code(device!), code(tags!)])
    }
  })

  test("of SenML names are how they are split", () => {
    const rows = tables(guide, "| name | device | property |")
    expect(rows).toHaveLength(4)
    for (const [name, device, property] of rows)
      expect(splitName(code(name!))).toEqual({ device: code(device!), property: code(property!) })
  })

  test("of limits are the defaults", () => {
    const limits = tables(guide, "| what | most | configured by | beyond it |").map(
      ([what, most]) => `${what}: ${most}`,
    )
    const { sizeBytes, readings, textLength, depth } = defaultPayloadLimits
    const { maxKeys, windowMs } = defaultIdempotencyLimits
    for (const most of [
      `${sizeBytes / 2 ** 20} MiB`,
      readings.toLocaleString("en"),
      `${textLength.toLocaleString("en")} characters`,
      String(depth),
      maxJsonValues.toLocaleString("en"),
      `${maxKeys.toLocaleString("en")}, ${windowMs / 3_600_000} h`,
    ])
      expect(
        limits.filter((line) => line.endsWith(`: ${most}`)),
        most,
      ).not.toHaveLength(0)
  })
})

test("the commands store what the page says", async (ctx) => {
  if (spawnSync("curl", ["--version"]).status !== 0) ctx.skip("curl is not installed")
  await using rig = await wholeNode()
  const blocks = [...guide.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!).slice(1)
  expect(blocks).toHaveLength(5)
  const setUp = `URL=${rig.node.url}\nAUTH="Authorization: Bearer ${rig.secret}"\n`
  for (const block of blocks) {
    // A command must not stand in the way of the node, which answers in this process.
    const { stdout, status } = await shell(setUp + block.replaceAll("curl ", "curl -sS -w '%{http_code}' "))
    expect([status, stdout.slice(-3)], `${block}\n${stdout}`).toEqual([0, block.includes("/write") ? "204" : "200"])
  }
  let rows: Record<string, unknown>[] = []
  await expect
    .poll(async () => {
      const answer = await rig.sql(
        "SELECT device, property, value, text, json::VARCHAR AS json, tags, quality FROM readings ORDER BY seq",
      )
      rows = ((await answer.json()) as { rows: typeof rows }).rows
      return rows.length
    })
    .toBe(17)
  const shown = rows.map(({ device, property, value, text, json, tags, quality }) =>
    [device, property, json ?? text ?? value, tags, quality].map((part) =>
      typeof part === "object" ? JSON.stringify(part) : part,
    ),
  )
  expect(shown[0]).toEqual(["fridge-1", "temperature", 4.2, "{}", 0])
  expect(shown[4]).toEqual(["fridge-1", "pulses", "18446744073709551615", '{"hall":"b"}', 0])
  expect(shown[5]).toEqual(["fridge-2", "temperature", 5, "{}", 4])
  expect(shown[9]).toEqual(["urn:dev:ow:10e2073a01080063", "voltage", 120.1, '{"unit":"V"}', 0])
  expect(shown[11]!.slice(0, 3)).toEqual(["gw-7", "cpu.usage_idle", 97.1])
  expect(shown.slice(13).map((row) => row[1])).toEqual(["temperature", "door", "cycles", "alarm"])
})

function shell(command: string): Promise<{ readonly stdout: string; readonly status: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", command])
    let stdout = ""
    child.stdout.on("data", (piece: Buffer) => {
      stdout += piece.toString()
    })
    child.once("error", reject)
    child.once("close", (status) => resolve({ stdout, status }))
  })
}
