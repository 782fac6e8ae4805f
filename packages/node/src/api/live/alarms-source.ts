/** Alarms for one live connection: what is raised when it begins, then each event; what is raised again after a loss. */
import type { AlarmEvent, Alarms, Principal } from "@brume/core"
import { maySee, shownAlarm, shownEvent } from "../routes/alarms.ts"
import type { StreamSource } from "./stream.ts"

/** Most alarms in one message, about 500 kB. */
const messageAlarms = 1_000
/** Events that wait for a slow client; beyond them it gets what is raised instead. */
const maxWaiting = 1_000

export function alarmsSource(
  alarms: Pick<Alarms, "list" | "onEvent">,
  principal: Principal,
  wake: () => void,
): StreamSource {
  let isBehind = true
  let waiting: AlarmEvent[] = []
  const stop = alarms.onEvent((event) => {
    if (isBehind || !maySee(principal, event.alarm)) return
    if (waiting.length >= maxWaiting) {
      isBehind = true
      waiting = []
    } else waiting.push(event)
    wake()
  })
  return {
    next() {
      if (isBehind) {
        isBehind = false
        const raised = alarms.list().filter((alarm) => alarm.state === "raised" && maySee(principal, alarm))
        const shown = raised.slice(0, messageAlarms).map(shownAlarm)
        return JSON.stringify({ type: "alarms", alarms: shown, left: raised.length - shown.length })
      }
      if (waiting.length === 0) return undefined
      const events = waiting
      waiting = []
      return JSON.stringify({ type: "events", events: events.map(shownEvent) })
    },
    close: stop,
  }
}
