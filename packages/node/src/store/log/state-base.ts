/** The keyed state with which recovery begins: that of the newest snapshot that is whole. */
import type { Disk } from "@brume/core"
import { fileName } from "./format.ts"
import { KeyedState } from "./keyed-state.ts"
import type { Quarantine } from "./quarantine.ts"
import { loadSnapshot } from "./snapshot.ts"
import type { SurveyedFile } from "./survey.ts"

export interface StateBase {
  readonly state: KeyedState
  /** The state holds everything below this sequence; keyed records from it on come from the log. */
  readonly seq: number
  readonly timeFloor: number
  /** Snapshots that are whole, the newest first. */
  readonly whole: readonly SurveyedFile[]
  readonly damaged: readonly SurveyedFile[]
  /** The state is what could be read of a damaged snapshot, as there is no other. */
  readonly isPartial: boolean
}

export async function loadStateBase(disk: Disk, snapshots: readonly SurveyedFile[]): Promise<StateBase> {
  const whole: SurveyedFile[] = []
  const damaged: SurveyedFile[] = []
  let state: KeyedState | undefined
  let partial: KeyedState | undefined
  for (const snapshot of snapshots) {
    const loaded = await loadSnapshot(disk, snapshot.name, snapshot.start)
    if (loaded.isWhole && snapshot.header !== undefined) {
      whole.push(snapshot)
      state ??= loaded.state
    } else {
      damaged.push(snapshot)
      partial ??= loaded.state
    }
  }
  const floors = snapshots.map((snapshot) => snapshot.header?.timeFloor ?? 0)
  return {
    state: state ?? partial ?? new KeyedState(),
    seq: whole[0]?.name.seq ?? damaged[0]?.name.seq ?? 0,
    timeFloor: Math.max(0, ...floors),
    whole,
    damaged,
    isPartial: state === undefined && partial !== undefined,
  }
}

/** Clears damaged snapshots away, and reports lost state: what the snapshot missed and the log does not reach back to. */
export async function reportState(base: StateBase, log: { epoch: string; firstSeq: number }, quarantine: Quarantine) {
  const isLost = base.isPartial || !quarantine.knows(log.epoch, base.seq, log.firstSeq)
  const [newest, ...others] = base.damaged
  // An empty range: it tells from which sequence on keyed records are complete again, not which are missing.
  const seq = Math.max(base.seq, log.firstSeq)
  const loss = { epoch: log.epoch, fromSeq: seq, toSeq: seq, certainty: "acknowledged" as const }
  if (newest !== undefined && isLost) await quarantine.keepFile({ ...loss, name: newest.name.name })
  else if (newest !== undefined) {
    await quarantine.setAside(newest.name.name, "it is damaged; the log and an older snapshot give the same state")
  } else if (isLost && !quarantine.knowsLostState(log.epoch, seq)) {
    await quarantine.keep({ ...loss, name: fileName("snapshot", log.epoch, seq).name })
  }
  for (const snapshot of others) await quarantine.setAside(snapshot.name.name, "it is damaged")
}
