import { isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { resolveConfig } from "./config.ts"
import type { Mistake } from "./given.ts"

const resolveYaml = (yaml: string, environment: Record<string, string> = {}, set: Record<string, string> = {}) =>
  resolveConfig(
    {
      file: "/brume.yaml",
      flags: Object.entries({ "store.path": "/data", ...set }).map(([key, value]) => ({ flag: "--set", key, value })),
    },
    { environment, workingFolder: "/", hostName: "pi", readFile: async () => Buffer.from(yaml) },
  )

async function mistakesOf(...given: Parameters<typeof resolveYaml>): Promise<string[]> {
  const error = await resolveYaml(...given).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isFogError(error, "config_invalid")) throw new Error("It should have been refused", { cause: error })
  const mistakes = error.details?.mistakes as readonly Mistake[]
  return mistakes.map(({ origin, path, problem }) => `${origin} ${path} ${problem}`)
}

test("a mapping has its defaults, deeply frozen", async () => {
  const yaml = "devices:\n  mappings:\n    - name: zigbee\n      topic: zigbee2mqtt/{device}\n"
  const { config, origins } = await resolveYaml(yaml)
  expect(config.devices.mappings).toEqual([
    {
      name: "zigbee",
      topic: "zigbee2mqtt/{device}",
      device: undefined,
      property: undefined,
      payload: "auto",
      flatten: "objects",
      select: {},
      time: { member: undefined, unit: "auto", zone: undefined },
      tags: {},
      multiply: 1,
      add: 0,
    },
  ])
  const [first] = config.devices.mappings
  for (const part of [config.devices.mappings, first, first!.time, first!.tags])
    expect(Object.isFrozen(part)).toBe(true)
  expect(origins.get("devices.mappings")).toBe("/brume.yaml:2:3")
})

test("every key of a mapping can be given, also as JSON in flags and variables", async () => {
  const yaml = `devices:
  mappings:
    - name: meter
      topic: plant/{line}/+/{rest}
      device: "{line}/{rest}"
      property: power
      payload: json
      flatten: all
      select: {/E/P: p, /a~1b: ab}
      time: {member: Time, unit: iso, zone: "+01:00"}
      tags: {line: "line {line}"}
      multiply: 0.1
      add: -40
`
  const { config } = await resolveYaml(yaml)
  const json = JSON.stringify(config.devices.mappings)
  expect(json).toBe(
    '[{"name":"meter","topic":"plant/{line}/+/{rest}","device":"{line}/{rest}","property":"power","payload":"json",' +
      '"flatten":"all","select":{"/E/P":"p","/a~1b":"ab"},"time":{"member":"Time","unit":"iso","zone":"+01:00"},' +
      '"tags":{"line":"line {line}"},"multiply":0.1,"add":-40}]',
  )
  const byVariable = await resolveYaml("", { BRUME_DEVICES__MAPPINGS: json })
  expect(byVariable.config.devices.mappings).toEqual(config.devices.mappings)
  const byFlag = await resolveYaml("", {}, { "devices.mappings": json })
  expect(byFlag.config.devices.mappings).toEqual(config.devices.mappings)
  expect((await resolveYaml(yaml, {}, { "devices.mappings": "" })).config.devices.mappings).toEqual([])
})

test("all mistakes of all mappings are reported by path and place, with what was meant", async () => {
  const yaml = `devices:
  mappings:
    - name: a b
      topci: x
    - name: one
      topic: "a/{x}/{x}"
      paylod: json
      multiply: much
      time: {unit: minutes, zone: CET, mumber: t}
    - name: one
      topic: a/{line}
      device: "{lane}"
      tags: {t: "{tag}", "": x}
      payload: number
      select: {/a: b}
    - name: devices
      topic: $SYS/#
    - name: nobody
      topic: a/+
      select: {a: b, /c: [d]}
      time: 5
    - just a text
    - name:
      topic: [a]
`
  expect(await mistakesOf(yaml)).toEqual([
    "/brume.yaml:4:7 devices.mappings[0].topci is no key; did you mean topic?",
    '/brume.yaml:3:7 devices.mappings[0].name "a b" is not 1 to 63 letters, digits, dots, underscores or hyphens',
    "/brume.yaml:3:7 devices.mappings[0].topic is missing",
    "/brume.yaml:7:7 devices.mappings[1].paylod is no key; did you mean payload?",
    "/brume.yaml:9:40 devices.mappings[1].time.mumber is no key; did you mean member?",
    '/brume.yaml:9:14 devices.mappings[1].time.unit "minutes" is none of auto, s, ms, us, ns, iso, none',
    '/brume.yaml:9:29 devices.mappings[1].time.zone "CET" is not Z or an offset such as +01:00',
    '/brume.yaml:8:7 devices.mappings[1].multiply "much" is not a number such as 0.1',
    "/brume.yaml:6:7 devices.mappings[1].topic has the name {x} twice",
    "/brume.yaml:13:26 devices.mappings[2].tags. is not a tag",
    "/brume.yaml:10:7 devices.mappings[2].name is one, as that of an earlier mapping",
    "/brume.yaml:12:7 devices.mappings[2].device has {lane}, but the topic has {line}",
    "/brume.yaml:10:7 devices.mappings[2].property is missing: a number has none of its own",
    "/brume.yaml:15:7 devices.mappings[2].select needs JSON, but payload is number",
    "/brume.yaml:16:7 devices.mappings[3].name is devices, the name of the topics that need none",
    "/brume.yaml:17:7 devices.mappings[3].topic begins with $, as the broker's own topics do",
    "/brume.yaml:20:16 devices.mappings[4].select.a is not a JSON pointer such as /ENERGY/Power",
    "/brume.yaml:20:22 devices.mappings[4].select./c has no value that is a property",
    "/brume.yaml:21:7 devices.mappings[4].time is no object: its keys stand below it, indented",
    "/brume.yaml:18:7 devices.mappings[4].device is missing: give a template, or call a level of the topic {device}",
    "/brume.yaml:22:7 devices.mappings[5] is no object: its keys stand below it, indented",
    "/brume.yaml:23:7 devices.mappings[6].name has no value (1 to 63 letters, digits, dots, underscores or hyphens)",
    "/brume.yaml:24:7 devices.mappings[6].topic is a list, but takes one value",
  ])
})

test.each([
  ["devices: {mappings: {name: a}}", "is no list of mappings"],
  ["devices: {mappings: text}", "is no list of mappings"],
  ["devices: {mappings: }", "has no value"],
  [`devices: {mappings: [${"{},".repeat(257)}]}`, "has 257 mappings, more than 256"],
  ["devices: {mappings: &a [*a]}", "[0] is no object"],
  ["devices: {mappings: [{name: a, topic: 'x/{device}', tags: [a]}]}", "[0].tags is no map of names to texts"],
  ["devices: {mappings: [{name: a, topic: 'x/{device}', select: {/a: b}, payload: text}]}", "[0].select needs JSON"],
  ["devices: {mappings: [{name: a, topic: 'x/{device}', payload: boolean}]}", "[0].property is missing"],
])("%.80s is refused", async (yaml, problem) => {
  expect((await mistakesOf(yaml)).join("\n")).toContain(problem)
})

test("what is no JSON in a variable is refused with its form", async () => {
  expect(await mistakesOf("", { BRUME_DEVICES__MAPPINGS: "[{name: a}]" })).toEqual([
    'BRUME_DEVICES__MAPPINGS devices.mappings is no list of mappings; in flags and variables it is JSON: [{"name": "…"}]',
  ])
  const json = '[{"name":"a","topic":"x/{device}","add":null}]'
  expect(await mistakesOf("", { BRUME_DEVICES__MAPPINGS: json })).toEqual([
    "BRUME_DEVICES__MAPPINGS devices.mappings[0].add has no value (number); leave the key out for its default",
  ])
})
