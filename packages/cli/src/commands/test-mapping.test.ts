import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { brume } from "../../../../test/rig/recorded-terminal.ts"

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "brume-mapping-"))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

const yaml = `devices:
  mappings:
    - name: tasmota
      topic: tele/{device}/SENSOR
      time: {member: Time, zone: Z}
      tags: {source: tasmota}
    - {name: quiet, topic: "tele/#", payload: none}
`
const sensor = '{"Time":"2026-03-01T12:00:00","ENERGY":{"Power":119,"Count":18446744073709551615},"Unit":"C","On":true}'

test("a message below devices/ needs no configuration", async () => {
  const end = await brume(["test-mapping", "--topic", "devices/fridge-1", "--payload", '{"t":4.2,"time":1772366400}'])
  expect(end).toMatchObject({
    code: 0,
    stderr: "",
    stdout: `The mapping devices takes it: 1 reading.

DEVICE    PROPERTY  KIND    VALUE  TIME                         TAGS
fridge-1  t         number  4.2    2026-03-01T12:00:00.000000Z
`,
  })
})

test("the mappings of a configuration file and a payload from a file", async () => {
  const folder = await folderWith({ "brume.yaml": yaml, "sensor.json": sensor })
  const end = await brume(
    ["test-mapping", "--topic", "tele/plug/SENSOR", "--file", "sensor.json", "--config", "brume.yaml", "--json"],
    { folder },
  )
  const common = { device: "plug", time: "2026-03-01T12:00:00.000000Z", tags: '{"source":"tasmota"}', quality: 0 }
  expect(JSON.parse(end.stdout)).toEqual({
    mapping: "tasmota",
    reason: null,
    readings: [
      { ...common, property: "ENERGY.Power", value: 119, text: null, json: null },
      { ...common, property: "ENERGY.Count", value: 2 ** 64, text: null, json: "18446744073709551615" },
      { ...common, property: "Unit", value: null, text: "C", json: null },
      { ...common, property: "On", value: null, text: null, json: "true" },
    ],
  })
  expect(end.code).toBe(0)
})

test("it says why there is no reading, and ends with 7", async () => {
  const folder = await folderWith({ "brume.yaml": yaml })
  const on = (topic: string, payload: string) =>
    brume(["test-mapping", "--config", "brume.yaml", "--topic", topic, "--payload", payload], { folder })
  expect(await on("tele/plug/SENSOR", "{")).toMatchObject({
    code: 7,
    stdout:
      "The mapping tasmota takes it: no reading.\nThe payload has its end where a key in double quotes is expected (column 2).\n",
  })
  expect(await on("tele/plug/STATE", "{}")).toMatchObject({
    code: 7,
    stdout: "Messages on tele/plug/STATE are no readings: the mapping quiet says that its messages are no readings.\n",
  })
  const json = await brume(["test-mapping", "--json", "--topic", "a", "--file", "-"], { input: "4" })
  expect(JSON.parse(json.stdout)).toEqual({
    mapping: null,
    reason: "Messages on a are no readings: no mapping takes it, and it is not below devices/",
    readings: [],
  })
})

test("SenML comes by its content type", async () => {
  const end = await brume(
    ["test-mapping", "--topic", "devices/gw", "--file", "-", "--content-type", "application/senml+json", "--json"],
    { input: '[{"n":"t","v":1}]' },
  )
  expect(JSON.parse(end.stdout)).toMatchObject({ readings: [{ device: "gw", property: "t", value: 1 }] })
})

test("a wrong configuration and a missing payload are told", async () => {
  const folder = await folderWith({ "brume.yaml": "devices: {mappings: [{name: a, topci: b}]}" })
  const wrong = await brume(["test-mapping", "--topic", "a", "--payload", "", "--config", "brume.yaml"], { folder })
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("mappings[0].topci is no key; did you mean")])
  for (const args of [[], ["--payload", "1", "--file", "x"], ["--file", "/nonexistent/x"]])
    expect((await brume(["test-mapping", "--topic", "a", ...args])).code).toBe(2)
})
