/** Ten thousand connections that mostly wait: opened, left idle, cut, and all back at once. */
import { subscribePacket } from "./mqtt-packets.ts"
import { pause } from "./publish-load.ts"
import { exchange, inParallel, type MqttConnection, openMqtt } from "./raw-connection.ts"

export interface CrowdStep {
  readonly kind: "crowd"
  readonly port: number
  readonly count: number
  /** `open`: the crowd grows to `count`, a few hundred at a time. `cut`: all vanish without a word. `return`: all connect at once. */
  readonly step: "open" | "cut" | "return"
  /** With sessions that outlast the connection, one subscription in each. */
  readonly isLasting: boolean
}

export interface CrowdFigures {
  /** Until the last one was through, s. */
  readonly seconds: number
  readonly sessionsPresent: number
  /** Connection attempts that failed and were made again. */
  readonly retries: number
}

export function createCrowd(): (step: CrowdStep) => Promise<CrowdFigures> {
  let members: MqttConnection[] = []
  let lost = 0
  return async (step) => {
    const started = performance.now()
    let retries = 0
    if (step.step === "cut") {
      // A reset, as when a machine vanishes: no DISCONNECT, so the sessions stay.
      for (const member of members) {
        member.onLost = () => {}
        member.socket.resetAndDestroy()
      }
      members = []
    } else {
      const present = members.length
      const newcomers = step.count - present
      await inParallel(newcomers, step.step === "return" ? newcomers : 200, async (turn) => {
        const index = present + turn
        const member = await openPatiently(step, index, () => retries++)
        if (step.step === "open" && step.isLasting) await exchange(member, subscribePacket(`crowd/${index}`, 1), 5)
        member.onLost = () => lost++
        members[index] = member
      })
      if (lost > 0) throw new Error(`${lost} connections were lost`)
    }
    return {
      seconds: (performance.now() - started) / 1000,
      sessionsPresent: members.filter(({ isSessionPresent }) => isSessionPresent).length,
      retries,
    }
  }
}

async function openPatiently(step: CrowdStep, index: number, onRetry: () => void): Promise<MqttConnection> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await openMqtt({
        port: step.port,
        clientId: `member-${index}`,
        isClean: !step.isLasting,
      })
    } catch (cause) {
      if (attempt >= 50) throw cause
      onRetry()
      await pause(100)
    }
  }
}
