import { FogError } from "@brume/core"
import { expect, test } from "vitest"
import { apiRig } from "../../../../../test/rig/api.ts"
import { commit, effectOf, World } from "../../../../../test/rig/effects.ts"

async function opened() {
  const rig = await apiRig()
  const world = new World()
  const { effects } = rig
  effects.begin(world.executors)
  const { fastify } = await rig.app()
  return {
    ...rig,
    world,
    does: (key: string, type: Parameters<typeof effectOf>[0] = "publish") =>
      commit(rig.store, effects.plan(effectOf(type, key, rig.clock.now()))),
    async get(path: string, secret = rig.admin) {
      const answer = await fastify.inject({ url: path, headers: { authorization: `Bearer ${secret}` } })
      return { status: answer.statusCode, ...(answer.json() as Record<string, unknown>) } as Record<string, unknown>
    },
  }
}

test("effects are listed with their outcomes, the newest first, page by page and filtered", async () => {
  const { does, get, world } = await opened()
  await does("k1")
  world.planned = new FogError("effect_invalid", { message: "no such topic" })
  await does("k2")
  world.planned = { state: "done" }
  await does("k3", "alarm")
  const first = await get("/v1/effects?limit=2")
  expect(first).toMatchObject({
    effects: [
      { key: "k3", type: "alarm", state: "done", target: "hot" },
      {
        key: "k2",
        state: "failed",
        code: "effect_invalid",
        message: "no such topic",
        ended: "2025-01-01T00:00:00.000000Z",
      },
    ],
    cursor: expect.any(String),
  })
  expect(await get(`/v1/effects?limit=2&cursor=${first.cursor}`)).toEqual({
    status: 200,
    effects: [
      {
        ...{ key: "k1", source: "rule/test", type: "publish", target: "a/b", state: "done", attempts: 1 },
        ...{ created: "2025-01-01T00:00:00.000000Z", ended: "2025-01-01T00:00:00.000000Z" },
      },
    ],
  })
  expect((await get("/v1/effects?state=failed")).effects).toHaveLength(1)
  expect((await get("/v1/effects?type=alarm&source=rule/test")).effects).toHaveLength(1)
  expect((await get("/v1/effects?source=rule/other")).effects).toEqual([])
})

test("one effect is shown by its key, one that is unknown is not found", async () => {
  const { does, get } = await opened()
  await does("k1")
  expect(await get("/v1/effects/k1")).toMatchObject({ status: 200, key: "k1", state: "done" })
  expect(await get("/v1/effects/k9")).toMatchObject({ status: 404, code: "effect_not_found" })
})

test("effects concern the whole node: a token that is limited to devices is refused, and odd filters too", async () => {
  const { get, token } = await opened()
  expect(await get("/v1/effects", await token({ devices: ["cold/#"] }))).toMatchObject({ status: 403 })
  expect(await get("/v1/effects", await token({ scopes: ["read"] }))).toMatchObject({ status: 200 })
  expect(await get("/v1/effects?state=over")).toMatchObject({ status: 400, code: "request_invalid" })
})
