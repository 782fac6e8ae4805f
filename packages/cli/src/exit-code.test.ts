import { type ErrorCode, errorRegistry } from "@brume/core"
import { expect, test } from "vitest"
import { exitCodeOf, exitCodes } from "./exit-code.ts"

test.each([
  ["usage", 2],
  ["config_invalid", 2],
  ["node_unreachable", 3],
  ["unauthenticated", 4],
  ["forbidden", 4],
  ["device_not_found", 5],
  ["store_locked", 6],
  ["store_full", 6],
  ["query_timeout", 6],
  ["query_invalid", 7],
  ["query_refused", 7],
  ["readings_invalid", 7],
  ["payload_too_large", 7],
  ["store_damaged", 1],
  ["internal", 70],
] as const)("%s ends with %i", (code, exitCode) => {
  expect(exitCodeOf(code)).toBe(exitCode)
})

test("every error has an exit code of the table, and none is 0", () => {
  for (const code of Object.keys(errorRegistry) as ErrorCode[]) {
    expect(exitCodeOf(code)).not.toBe(0)
    expect(Object.keys(exitCodes)).toContain(String(exitCodeOf(code)))
  }
})
