import { Secret } from "@brume/core"
import { MemoryDisk, SeededRandom, VirtualClock } from "@brume/testkit"
import { expect, test } from "vitest"
import { MemoryStore } from "../../../../test/rig/memory-store.ts"
import { Secrets } from "./secrets.ts"

const machine = () => ({
  ...{ store: new MemoryStore(), disk: new MemoryDisk(), clock: new VirtualClock(), random: new SeededRandom(1) },
})
const errorOf = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return (error as { code?: string }).code
  }
}

test("a secret survives a restart, and its record has nothing of it", async () => {
  const at = machine()
  const first = await Secrets.open(at)
  await first.set("chat", new Secret("open sesame"))
  await first.set("chat", new Secret("open barley"))
  const second = await Secrets.open(at)
  expect(second.reveal("chat").reveal()).toBe("open barley")
  expect(`${second.reveal("chat")} ${JSON.stringify(second.list())}`).not.toContain("barley")
  const records = [...at.store.entries("document")].map(([key, value]) => key + Buffer.from(value).toString())
  expect(records).toHaveLength(1)
  expect(records[0]).not.toMatch(/open|barley|sesame/)
  await second.delete("chat")
  expect(second.list()).toEqual([])
  await expect(second.delete("chat")).rejects.toMatchObject({ code: "secret_not_found" })
})

test("two seals of one value differ, and a record in another's place is not opened", async () => {
  const at = machine()
  const secrets = await Secrets.open(at)
  await secrets.set("a", new Secret("same"))
  await secrets.set("b", new Secret("same"))
  const [a, b] = ["a", "b"].map((name) => at.store.get("document", `secret/${name}`)!)
  expect(Buffer.from(a!).equals(Buffer.from(b!))).toBe(false)
  at.store.put([{ kind: "document", key: "secret/b", value: a }])
  const moved = await Secrets.open(at)
  expect(moved.reveal("a").reveal()).toBe("same")
  expect(errorOf(() => moved.reveal("b"))).toBe("secret_unreadable")
})

test("with another key secrets are told to be unreadable, and are not lost", async () => {
  const at = machine()
  await (await Secrets.open(at)).set("a", new Secret("value"))
  const key = await at.disk.read("secrets-key")
  await at.disk.remove("secrets-key")
  const other = await Secrets.open(at)
  expect(errorOf(() => other.reveal("a"))).toBe("secret_unreadable")
  expect(other.list().map(({ name }) => name)).toEqual(["a"])
  await at.disk.replace("secrets-key", key!)
  expect((await Secrets.open(at)).reveal("a").reveal()).toBe("value")
})

test.each([
  ["", "value"],
  ["a b", "value"],
  ["../a", "value"],
  ["a", ""],
  ["a", "x".repeat(65_537)],
])("the name %j with such a value is refused", async (name, value) => {
  const secrets = await Secrets.open(machine())
  await expect(secrets.set(name, new Secret(value))).rejects.toMatchObject({ code: "secret_invalid" })
})
