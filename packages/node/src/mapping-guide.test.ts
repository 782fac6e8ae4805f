/** docs/guide/mapping.md: each row of its tables is what happens, under the configuration that stands before it. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { resolveConfig } from "./config/config.ts"
import { tryMapping } from "./devices/mapping/trial.ts"

const guide = readFileSync(fileURLToPath(new URL("../../../docs/guide/mapping.md", import.meta.url)), "utf8")
const receivedUs = Date.UTC(2026, 5, 1) * 1000
const header = "| topic | payload | readings |"

const mappingsOf = async (yaml: string) => {
  const { config } = await resolveConfig(
    { file: "/brume.yaml", flags: [{ flag: "--data", key: "store.path", value: "/data" }] },
    { environment: {}, workingFolder: "/", hostName: "pi", readFile: async () => Buffer.from(yaml) },
  )
  return config.devices.mappings
}

/** The rows of the tables of messages, each with the YAML block of its chapter that stands before it. */
function rows(): { readonly yaml: string; readonly cells: readonly string[] }[] {
  return guide.split(/^##+ /m).flatMap((chapter) => {
    let yaml = ""
    return chapter.split("\n\n").flatMap((block) => {
      if (block.startsWith("```yaml")) yaml = block.slice("```yaml\n".length, block.lastIndexOf("```"))
      const lines = block.split("\n")
      if (lines[0] !== header) return []
      return lines.slice(2).map((line) => ({ yaml, cells: line.slice(2, -2).split(" | ") }))
    })
  })
}

const unquoted = (cell: string): string => cell.replace(/^`|`$/g, "")

test.each(rows())("%$ $cells.0 $cells.1", async ({ yaml, cells: [topic, payload, readings] }) => {
  const mappings = await mappingsOf(yaml)
  const bytes = Buffer.from(unquoted(payload!))
  const trial = tryMapping({ mappings, topic: unquoted(topic!), payload: bytes, receivedUs })
  const shown = trial.readings.map(({ device, property, value, text, json, time, tags }) => {
    const carried = json ?? (text === null ? String(value) : JSON.stringify(text))
    const own = [
      ...(time === receivedUs ? [] : [new Date(time / 1000).toISOString()]),
      ...(tags === "{}" ? [] : [tags]),
    ]
    return `\`${[device, property, carried, ...own].join(" ")}\``
  })
  expect(trial.reason === undefined ? shown.join(", ") : `${trial.reason}.`).toBe(readings)
})

test("the tables are found", () => {
  expect(rows().length).toBeGreaterThan(40)
  expect(rows().filter(({ yaml }) => yaml !== "").length).toBeGreaterThan(10)
})
