import type { FunctionContext, ReadingEvent } from "@brume/sdk"

const warmest = 8
const patienceMs = 300_000

export default async ({ device, value, time }: ReadingEvent<number>, ctx: FunctionContext) => {
  const now = Date.parse(time)
  const since = value > warmest ? ((await ctx.state.get<number>(device)) ?? now) : null
  await ctx.state.set(device, since)
  if (since === null || now - since < patienceMs) return { device, isWell: true }
  const minutes = Math.round((now - since) / 60_000)
  await ctx.publish(`cold-chain/${device}`, { device, value, minutes }, { qos: 1, retain: true })
  return { device, isWell: false, cooling: await ctx.command(device, "cool", { minutes: 15 }) }
}
