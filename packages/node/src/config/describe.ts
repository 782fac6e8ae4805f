/** The configuration described: for the reference page, the example file and the command line's help. */

import type { FlagSetting } from "./config.ts"
import { isSection, type Members } from "./members.ts"
import { envName, schema } from "./schema.ts"

export interface DescribedKey {
  readonly path: string
  readonly type: string
  /** As one would write it in YAML; undefined when there is none. */
  readonly default: string | undefined
  /** What holds without a value, where that is not one value. */
  readonly defaultMeaning: string | undefined
  /** As one would write it in YAML, where there is no default. */
  readonly example: string | undefined
  readonly required: boolean
  readonly environment: string
  readonly flag: string
  readonly meaning: string
  /** Keys of the objects of a list, by their paths below one; undefined for other kinds. */
  readonly items: readonly DescribedItemKey[] | undefined
}

/** A key of an object in a list. */
export type DescribedItemKey = Pick<
  DescribedKey,
  "path" | "type" | "default" | "defaultMeaning" | "example" | "required" | "meaning"
>

export interface DescribedSection {
  readonly path: string
  readonly meaning: string
  readonly keys: readonly DescribedKey[]
}

/** A flag of its own for a key that is often given by hand. */
export interface ConfigFlag {
  readonly flag: string
  /** What stands for the value in help texts; empty where the flag alone means `true`. */
  readonly argument: string
  readonly key: string
}

/** Every other key is given by `--set KEY=VALUE`. */
export const configFlags: readonly ConfigFlag[] = [
  { flag: "--data", argument: "DIR", key: "store.path" },
  { flag: "--http", argument: "HOST:PORT", key: "api.listen" },
  { flag: "--mqtt", argument: "HOST:PORT", key: "mqtt.listen" },
  { flag: "--mqtts", argument: "HOST:PORT", key: "mqtt.tls.listen" },
  { flag: "--insecure-mqtt", argument: "", key: "mqtt.allowAnonymous" },
  { flag: "--name", argument: "NAME", key: "node.name" },
  { flag: "--log-level", argument: "LEVEL", key: "logger.level" },
  { flag: "--log-format", argument: "FORMAT", key: "logger.format" },
]

/** Reads the argument of `--set`: `store.tables.sealRows=100000`. What names no key is reported with all other mistakes. */
export function parseSetting(argument: string): FlagSetting {
  const equals = argument.indexOf("=")
  const key = equals < 0 ? argument : argument.slice(0, equals)
  return { flag: "--set", key: key.trim(), value: equals < 0 ? "" : argument.slice(equals + 1) }
}

/** Sections in the order of the schema, an inner one after the one that it stands in. */
export function describeConfig(members: Members = schema, prefix = ""): DescribedSection[] {
  return Object.entries(members).flatMap(([name, member]) => {
    if (!isSection(member)) return []
    const path = prefix + name
    const keys = describeKeys(member.members, `${path}.`)
    return [{ path, meaning: member.meaning, keys }, ...describeConfig(member.members, `${path}.`)]
  })
}

function describeKeys(members: Members, prefix: string): DescribedKey[] {
  return Object.entries(members).flatMap(([name, key]) => {
    if (isSection(key)) return []
    const path = prefix + name
    const { type, meaning, required, defaultMeaning, example } = key
    const own = configFlags.find((flag) => flag.key === path)
    return [
      {
        path,
        type,
        default: key.default,
        defaultMeaning,
        example,
        required,
        environment: envName(path),
        flag: own === undefined ? `--set ${path}=…` : `${own.flag} ${own.argument}`.trim(),
        meaning,
        items: key.items === undefined ? undefined : describeItems(key.items, ""),
      },
    ]
  })
}

function describeItems(members: Members, prefix: string): DescribedItemKey[] {
  return Object.entries(members).flatMap(([name, key]) => {
    const path = prefix + name
    if (isSection(key)) return describeItems(key.members, `${path}.`)
    const { type, meaning, required, defaultMeaning, example } = key
    const own = { path, type, default: key.default, defaultMeaning, example, required, meaning }
    return key.items === undefined ? [own] : [own, ...describeItems(key.items, `${path}[].`)]
  })
}
