import type { Principal } from "@brume/core"
import { expect, test } from "vitest"
import { devicesOf, filledIn, isUnrestricted, mayPublish, maySubscribe, permissionsOf } from "./permissions.ts"

const token = (scopes: Principal["scopes"], devices?: readonly string[]) =>
  permissionsOf({ tokenId: "t", name: "t", scopes, devices })
const only = (...filters: string[]) => ({ publish: filters, subscribe: filters })

test.each([
  [["read"], [], ["#"]],
  [["write"], ["#"], []],
  [["read", "write"], ["#"], ["#"]],
  [["admin"], ["#"], ["#", "$SYS/#"]],
] as const)("a token with %j publishes %j and subscribes %j", (scopes, publish, subscribe) => {
  expect(token(scopes)).toEqual({ publish, subscribe })
})

test("a token that is limited to devices has their topics and nothing else", () => {
  const permissions = token(["read", "write"], ["hall/+", "cold/#", "#"].slice(0, 2))
  expect(permissions.publish).toEqual(["devices/hall/+", "devices/hall/+/#", "devices/cold/#"])
  expect(mayPublish(permissions, "devices/hall/1")).toBe(true)
  expect(mayPublish(permissions, "devices/hall/1/temperature")).toBe(true)
  expect(mayPublish(permissions, "devices/cold")).toBe(true)
  expect(mayPublish(permissions, "devices/hall")).toBe(false)
  expect(mayPublish(permissions, "hall/1")).toBe(false)
  expect(maySubscribe(permissions, "devices/hall/1/#")).toBe("allowed")
  expect(maySubscribe(permissions, "devices/#")).toBe("refused")
  expect(maySubscribe(permissions, "#")).toBe("refused")
  expect(token(["write"], ["#"]).publish).toEqual(["devices/#"])
})

test("a filter is allowed when everything that it can match is, also inside a shared subscription", () => {
  const permissions = only("devices/a", "devices/a/#", "chat/+")
  const allowed = ["devices/a", "devices/a/+", "devices/a/#", "chat/+", "chat/x", "$share/g/devices/a/#"]
  const refused = [
    "devices/+",
    "devices/#",
    "chat/#",
    "chat",
    "#",
    "+/+",
    "$share/g/#",
    "$share/g",
    "$share//devices/a",
  ]
  for (const filter of allowed) expect([filter, maySubscribe(permissions, filter)]).toEqual([filter, "allowed"])
  for (const filter of [...refused, "", "devices/a/#/x", "devices/a+"])
    expect([filter, maySubscribe(permissions, filter)]).toEqual([filter, "refused"])
})

test("only an admin subscribes what the node says of itself, and nobody publishes it by a wildcard", () => {
  expect(maySubscribe(token(["read"]), "$SYS/#")).toBe("refused")
  expect(maySubscribe(token(["admin"]), "$SYS/#")).toBe("allowed")
  expect(maySubscribe(token(["admin"]), "$SYS/+/load")).toBe("allowed")
  expect(mayPublish(token(["admin"]), "$SYS/load")).toBe(false)
})

test("patterns are filled in once; a client id that could mean more than itself fills none", () => {
  const named = (username: string, clientId: string) =>
    filledIn(only("u/%u", "c/%c/#", "both/%u/%c"), { username, clientId }).publish
  expect(named("lamp", "c-1")).toEqual(["u/lamp", "c/c-1/#", "both/lamp/c-1"])
  expect(named("%c", "c-1")).toEqual(["u/%c", "c/c-1/#", "both/%c/c-1"])
  for (const clientId of ["", "#", "+", "a/b", "$SYS", "a\u0000"]) expect(named("lamp", clientId)).toEqual(["u/lamp"])
  expect(named("$&", "c")).toContain("u/$&")
})

test("who may publish everything and subscribe everything is not restricted", () => {
  expect(isUnrestricted(token(["read", "write"]))).toBe(true)
  expect(isUnrestricted(token(["admin"]))).toBe(true)
  expect(isUnrestricted(token(["write"]))).toBe(false)
  expect(isUnrestricted(token(["admin", "read", "write"], ["#"]))).toBe(false)
})

test("whose topics are all devices' sends readings of those devices alone", () => {
  expect(devicesOf(only("devices/a", "devices/a/#"))).toEqual(["a", "a/#"])
  expect(devicesOf(only("devices/a", "zigbee2mqtt/#"))).toBeUndefined()
  expect(devicesOf(only("#"))).toBeUndefined()
  expect(devicesOf(only("devices/")), "no device has an empty name").toEqual([])
  expect(devicesOf(only())).toEqual([])
})
