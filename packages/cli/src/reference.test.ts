import { readFile } from "node:fs/promises"
import { configFlags } from "@brume/node"
import { expect, test } from "vitest"
import { recordedTerminal } from "../../../test/rig/recorded-terminal.ts"
import { defaultDataFolder, defaultUrl, demoDataFolder } from "./connection.ts"
import { createProgram } from "./program.ts"
import { cliReference } from "./reference.ts"

test("docs/reference/cli.md follows from the commands (npm run docs writes it)", async () => {
  const page = await readFile(new URL("../../../docs/reference/cli.md", import.meta.url), "utf8")
  expect(page).toBe(cliReference())
})

test("the page and the help name the defaults that hold", () => {
  const page = cliReference()
  for (const value of [defaultUrl, defaultDataFolder, demoDataFolder]) expect(page).toContain(value)
})

test("every key of the configuration that has a flag of its own has it in `brume up`", () => {
  const program = createProgram(recordedTerminal(), { exitCode: 0 })
  const flags = program.commands.find((command) => command.name() === "up")?.options.map(({ long }) => long)
  for (const { flag } of configFlags) expect(flags).toContain(flag)
})
