import { isFogError } from "@brume/core"
import { expect, test } from "vitest"
import { resolveConfig } from "./config.ts"
import type { Mistake } from "./given.ts"

const resolveYaml = (yaml: string) =>
  resolveConfig(
    { file: "/brume.yaml", flags: [{ flag: "--set", key: "store.path", value: "/data" }] },
    { environment: {}, workingFolder: "/", hostName: "pi", readFile: async () => Buffer.from(yaml) },
  )

test("a command mapping has its defaults", async () => {
  const yaml = "devices:\n  commands:\n    - {name: z, device: 'zigbee/{d}', topic: 'zigbee2mqtt/{d}/set'}\n"
  expect((await resolveYaml(yaml)).config.devices.commands).toEqual([
    {
      ...{ name: "z", device: "zigbee/{d}", command: undefined, topic: "zigbee2mqtt/{d}/set", payload: "{{input}}" },
      ...{ qos: "1", retain: false, confirm: "none", stateTopic: undefined, expect: undefined },
    },
  ])
})

test("mistakes of command mappings are told together, with their paths", async () => {
  const yaml = `devices:
  commands:
    - {name: a, device: 'a/{x}', topic: 'b/{y}', payload: '{{inptu}}', confirm: state}
    - {name: a, device: 'a/{x', topic: 'b/+', expect: '{{text}}'}
    - {name: c, device: c, topic: $SYS/c, stateTopic: 's/#', confirm: state, expect: '{{'}
`
  const error = await resolveYaml(yaml).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isFogError(error, "config_invalid")) throw new Error("It should have been refused", { cause: error })
  const mistakes = error.details?.mistakes as readonly Mistake[]
  expect(mistakes.map(({ path, problem }) => `${path} ${problem}`)).toEqual([
    expect.stringMatching(/^devices\.commands\[0\]\.payload has \{\{inptu\}\}, but there are/),
    "devices.commands[0].topic has {y}, but the topic has {x}, {command}",
    "devices.commands[0].stateTopic is missing: confirm is state",
    "devices.commands[1].name is a, as that of an earlier command mapping",
    expect.stringMatching(/^devices\.commands\[1\]\.device has the level \{x/),
    "devices.commands[1].expect has no use: confirm is none",
    "devices.commands[2].expect has {{ without its counterpart",
    "devices.commands[2].topic begins with $, as the broker's own topics do",
    "devices.commands[2].stateTopic is no topic: it has + or #",
  ])
})
