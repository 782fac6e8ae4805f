import { expect, test } from "vitest"
import { apiRig } from "../../../../test/rig/api.ts"

test("readings are stored and acknowledged with their place in the log", async () => {
  const rig = await apiRig()
  const { fastify } = await rig.app()
  const answer = await fastify.inject({
    method: "POST",
    url: "/v1/readings",
    headers: { authorization: `Bearer ${rig.admin}`, "content-type": "application/json" },
    payload: [{ device: "fridge-1", values: { temperature: 4.2, door: "open" } }],
  })
  expect(answer.statusCode).toBe(200)
  expect(answer.json()).toEqual({ accepted: 2, seq: expect.any(Number), epoch: rig.store.epoch })
  expect(rig.store.readings).toHaveLength(2)
})
