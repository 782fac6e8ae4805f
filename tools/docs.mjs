/**
 * `npm run docs`: writes the reference pages that follow from the code: errors, configuration, its example, schemas of
 * documents, commands.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { build, root } from "./setup.mjs"

/** All generated pages: path below the project → content. */
export function pages({ errorRegistry, describeConfig, configFlags, schemas }) {
  const sections = describeConfig()
  return new Map([
    ["docs/reference/errors.md", errorsPage(errorRegistry)],
    ["docs/reference/config.md", configPage(sections, configFlags)],
    ["docs/reference/config.example.yaml", configExample(sections)],
    ...[...schemas].map(([kind, schema]) => [
      `docs/reference/${kind.toLowerCase()}.schema.json`,
      `${JSON.stringify(schema, null, 2)}\n`,
    ]),
  ])
}

function errorsPage(registry) {
  const retries = { never: "not as it is", later: "later", now: "at once" }
  const rows = Object.entries(registry).map(
    ([code, { status, retry, summary }]) =>
      `| <a id="${code}"></a>\`${code}\` | ${status} | ${retries[retry]} | ${summary} |`,
  )
  return `# Errors

Every error of Brume has a code. The code is its identity and stays; the wording of messages may change.

Over HTTP an error is a problem body ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with the status below and the
members \`code\`, \`detail\` (what failed, and why), \`retry\`, and where there is one \`hint\` (what to do) and \`details\`
(facts for programs). The SDK throws a \`FogError\` with the same code; the command line prints message and hint.
*Retry* says whether the same request can succeed: not as it is, later, or at once.

| Code | HTTP | Retry | Meaning |
|---|---|---|---|
${rows.join("\n")}
`
}

function configPage(sections, flags) {
  const own = flags.map(({ flag, argument, key }) => `\`${`${flag} ${argument}`.trim()}\` (\`${key}\`)`).join(", ")
  return `# Configuration

A node takes each key from the first of these that has it:

1. a flag: ${own}, and \`--set KEY=VALUE\` for every key, as often as needed;
2. an environment variable: \`BRUME_\`, then the parts of the key in capitals, joined by two underscores, words within a
   part by one: \`store.tables.sealRows\` is \`BRUME_STORE__TABLES__SEAL_ROWS\`. An empty variable counts as not set;
3. the YAML file that \`--config FILE\` or \`BRUME_CONFIG\` names ([example](config.example.yaml));
4. the default below.

Durations are written \`250ms\`, \`30s\`, \`5m\`, \`12h\`, \`7d\`, sizes \`512KiB\`, \`64MiB\`, \`10GB\`; a bare number is
milliseconds or bytes. Lists are YAML lists, or separated by commas in flags and variables; lists of objects are JSON
there. A relative path is relative to the folder of the file that says it, else to the working folder.

The configuration is read once, at the start. All mistakes are reported together, with the place of each; an unknown key
is a mistake too, also as a variable: one that begins with \`BRUME_\` and has two underscores in a row, or differs from a
key's variable by underscores alone. Other variables that begin with \`BRUME_\` are left alone.

${sections.map(configSection).join("\n")}`
}

function configSection({ path, meaning, keys }) {
  if (keys.length === 0) return `## ${path}\n\n${meaning}\n`
  const rows = keys.map(
    (key) =>
      `| \`${key.path}\` | ${key.type} | ${shownDefault(key)} | ${key.meaning} | \`${key.environment}\` | \`${key.flag}\` |`,
  )
  return `## ${path}

${meaning}

| Key | Type | Default | Meaning | Variable | Flag |
|---|---|---|---|---|---|
${rows.join("\n")}
${keys
  .filter((key) => key.items !== undefined)
  .map(configItems)
  .join("")}`
}

/** The keys of the objects in a list. */
function configItems({ path, items }) {
  const rows = items.map(
    (key) => `| \`${key.path}\` | ${key.type} | ${shownDefault(key)} | ${key.meaning} | ${shownExample(key)} |`,
  )
  return `
### ${path}

Each has these keys:

| Key | Type | Default | Meaning | Example |
|---|---|---|---|---|
${rows.join("\n")}
`
}

function shownExample({ example }) {
  return example === undefined ? "" : `\`${example}\``
}

function shownDefault(key) {
  if (key.required) return "none: must be given"
  return key.defaultMeaning ?? `\`${key.default}\``
}

/** Every key as a comment, so that the file changes nothing until a line is uncommented. */
function configExample(sections) {
  const lines = [
    "# Configuration of a Brume node. Every key stands here, with its default or, where it has none, an example.",
    "# Uncomment what you change.",
    "# `brume up --config FILE` reads it. docs/reference/config.md says what else may set a key.",
  ]
  for (const { path, meaning, keys } of sections) {
    const depth = path.split(".").length - 1
    const indent = "  ".repeat(depth)
    lines.push(...(depth === 0 ? [""] : []), `${indent}# ${meaning}`, `${indent}${path.split(".").at(-1)}:`)
    for (const key of keys) {
      const name = key.path.split(".").at(-1)
      const without =
        key.example === undefined
          ? ""
          : `; ${key.defaultMeaning === undefined ? "required" : `without it: ${key.defaultMeaning}`}`
      lines.push(`${indent}  # ${key.meaning} (${key.type}${without})`)
      lines.push(
        ...(key.items === undefined ? [`# ${name}: ${exampleValue(key)}`] : exampleItem(name, key.items)).map(
          (line) => `${indent}  ${line}`,
        ),
      )
    }
  }
  return `${lines.join("\n")}\n`
}

/** One object of a list, each of its keys with what it means. A key may be a section, or such a list again. */
function exampleItem(name, items) {
  const lines = [`# ${name}:`]
  let lastSection
  for (const [index, key] of items.entries()) {
    const [, section, isList, inner = key.path] = /^(?:(\w+)(\[\])?\.)?(\w+)$/.exec(key.path)
    const isFirst = index === 0 || (section !== lastSection && isList !== undefined)
    if (section !== undefined && isList === undefined && section !== lastSection) lines.push(`#     ${section}:`)
    lastSection = section
    const depth = section === undefined ? 4 : isList === undefined ? 6 : 8
    const indent = " ".repeat(depth)
    const isListItself = items[index + 1]?.path.startsWith(`${key.path}[].`)
    lines.push(`# ${indent}# ${key.meaning} (${key.type}; ${withoutIt(key)})`)
    const value = isListItself ? "" : ` ${exampleValue(key)}`
    lines.push(`# ${isFirst ? `${" ".repeat(depth - 2)}- ` : indent}${inner}:${value}`)
  }
  return lines
}

function withoutIt(key) {
  if (key.required) return "required"
  return key.default === undefined
    ? `without it: ${key.defaultMeaning}`
    : `default ${key.defaultMeaning ?? key.default}`
}

function exampleValue(key) {
  if (key.type.startsWith("map")) return key.example
  const value = key.default ?? key.example
  if (key.type.startsWith("list")) return `[${value.split(",").filter(Boolean).join(", ")}]`
  return /^[\w./-]+$/.test(value) ? value : JSON.stringify(value)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await build()
  const { errorRegistry } = await import("@brume/core")
  const { describeConfig, configFlags, documentSchemas } = await import("@brume/node")
  const schemas = await documentSchemas()
  for (const [path, content] of pages({ errorRegistry, describeConfig, configFlags, schemas })) {
    writeFileSync(join(root, path), content)
    console.log(path)
  }
  const { cliReference } = await import("../packages/cli/dist/reference.js")
  writeFileSync(join(root, "docs/reference/cli.md"), cliReference())
  console.log("docs/reference/cli.md")
}
