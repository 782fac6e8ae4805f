/** For how long each door was open, as a reading of its room: the chart shows who forgets to close. */
import type { FunctionContext, MessageEvent } from "@brume/sdk"

interface Door {
  readonly value: "open" | "closed"
  readonly time: string
}

export default async ({ topic, payload }: MessageEvent<Door>, ctx: FunctionContext) => {
  const device = topic.slice("devices/".length, -"/door".length)
  const since = await ctx.state.get<number>(device)
  const time = Date.parse(payload.time)
  if (payload.value === "open") {
    // Doors say again every few minutes that they are open.
    if (since === null) await ctx.state.set(device, time)
    return
  }
  if (since === null) return
  await ctx.state.delete(device)
  const seconds = Math.max(0, (time - since) / 1_000)
  ctx.log.info(`The door of ${device} was open for ${Math.round(seconds)} s`)
  await ctx.publish(`devices/${device}/open-for`, { value: seconds, time: payload.time }, { qos: 1 })
}
