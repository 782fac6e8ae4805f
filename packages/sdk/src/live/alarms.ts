/**
 * Alarms as they change, over connections that may break: each one begins with what is raised, so that none is missed; also
 * for a reader that is so slow that its queue overflows.
 */
import type { AlarmEventView, AlarmSubscription, AlarmUpdate, AlarmView } from "../alarms.ts"
import { type LivePort, LiveStream, type StreamOptions } from "./stream.ts"

export function openAlarms(port: LivePort, options: StreamOptions = {}): AlarmSubscription {
  let isBehind = false
  const push = (updates: readonly AlarmUpdate[]): void => {
    if (isBehind || stream.push(updates) === 0) return
    isBehind = true
    stream.clear()
  }
  const stream: LiveStream<AlarmUpdate> = new LiveStream(port, options, {
    again: () => {},
    message: ({ type, alarms, left, events }) => {
      if (type === "alarms" && Array.isArray(alarms))
        push([{ type, alarms: alarms as readonly AlarmView[], left: Number(left) }])
      else if (type === "events" && Array.isArray(events))
        push((events as readonly AlarmEventView[]).map((event) => ({ type: "event", event })))
    },
    waiting: () => {
      if (!isBehind) return
      isBehind = false
      stream.renew()
    },
  })
  return {
    get state() {
      return stream.state
    },
    close: () => stream.close(),
    [Symbol.asyncDispose]: () => stream.close(),
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
  }
}
