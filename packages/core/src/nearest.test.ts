import { expect, test } from "vitest"
import { nearest } from "./nearest.ts"

test("a mistyped name is known by what is near it, whatever its case and its separators", () => {
  const names = ["clearWhen", "cooldown", "store.sealRows", "on"]
  expect(nearest("clear_wehn", names)).toBe("clearWhen")
  expect(nearest("cooldwon", names)).toBe("cooldown")
  expect(nearest("sealRows", names)).toBe("store.sealRows")
  expect(nearest("ON", names)).toBe("on")
})

test("no guess is better than one that misleads", () => {
  expect(nearest("if", ["on", "for"])).toBeUndefined()
  expect(nearest("threshold", ["for", "when"])).toBeUndefined()
  expect(nearest("x", [])).toBeUndefined()
})
