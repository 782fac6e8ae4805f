import { expect, test } from "vitest"
import { errorRegistry, FogError, isFogError, toProblem } from "./errors.ts"

test("an error becomes a problem body with its code, hint and details", () => {
  const error = new FogError("store_full", { message: "No room", hint: "Free some", details: { freeBytes: 0 } })
  expect(toProblem(error)).toMatchObject({
    status: 507,
    code: "store_full",
    detail: "No room",
    hint: "Free some",
    retry: "later",
    details: { freeBytes: 0 },
  })
})

test("the text of an unknown error never leaves the node", () => {
  expect(JSON.stringify(toProblem(new Error("/secret/path")))).not.toContain("secret")
  expect(toProblem(null).code).toBe("internal")
})

test("an error of another copy of this package is recognised by its code", () => {
  const foreign = Object.assign(new Error("x"), { name: "FogError", code: "forbidden" })
  expect(isFogError(foreign)).toBe(true)
  expect(isFogError(foreign, "forbidden")).toBe(true)
  expect(isFogError(foreign, "internal")).toBe(false)
  expect(isFogError(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe(false)
  expect(toProblem(foreign).status).toBe(errorRegistry.forbidden.status)
})

test("every entry has a status of the right class for its retry", () => {
  for (const [code, { status, retry, summary }] of Object.entries(errorRegistry)) {
    expect(status, code).toBeGreaterThanOrEqual(400)
    if (status === 503 && code !== "store_damaged") expect(retry, code).not.toBe("never")
    expect(summary, code).toMatch(/^[A-Z].*\.$/)
  }
})
