import { expect, test } from "vitest"
import { Secret } from "./secret.ts"

test("a secret shows [secret] wherever it is printed, and its text only when asked by name", () => {
  const secret = new Secret("hunter2")
  const inspected: () => string = Reflect.get(secret, Symbol.for("nodejs.util.inspect.custom"))
  const shown = [`${secret}`, String(secret), JSON.stringify({ secret }), JSON.stringify([secret]), inspected()]
  for (const text of shown) {
    expect(text).toContain("[secret]")
    expect(text).not.toContain("hunter2")
  }
  expect(Object.keys(secret)).toEqual([])
  expect(secret.reveal()).toBe("hunter2")
})
