/**
 * The load generator for brokers, in a process of its own: raw TCP sockets and packets that are bytes before the clock
 * starts, so that what is measured is the broker. The parent asks over IPC, one question at a time.
 */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type CrowdFigures, type CrowdStep, createCrowd } from "./crowd-load.ts"
import { type FanFigures, type FanLoad, fanOut } from "./fan-load.ts"
import { type PublishFigures, type PublishLoad, publishReadings } from "./publish-load.ts"
import { type ReactFigures, type ReactLoad, react } from "./react-load.ts"
import { cpuSecondsOf } from "./servers.ts"

type Question = PublishLoad | FanLoad | CrowdStep | ReactLoad
type Answer = { readonly figures: unknown } | { readonly failure: string }

export interface LoadGenerator extends AsyncDisposable {
  publish(load: Omit<PublishLoad, "kind">): Promise<PublishFigures>
  fan(load: Omit<FanLoad, "kind">): Promise<FanFigures>
  react(load: Omit<ReactLoad, "kind">): Promise<ReactFigures>
  /** A crowd of connections that stays between the steps. */
  crowd(step: Omit<CrowdStep, "kind">): Promise<CrowdFigures>
  /** Processor time of the generator so far, s. */
  cpuSeconds(): Promise<number>
}

export function startLoadGenerator(): LoadGenerator {
  const child = fork(fileURLToPath(import.meta.url), ["generate"], { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const ask = (question: Question): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const early = (code: number | null): void => reject(new Error(`the load generator ended with ${code}`))
      child.once("exit", early)
      child.once("message", (answer) => {
        child.off("exit", early)
        const given = answer as Answer
        if ("failure" in given) reject(new Error(given.failure))
        else resolve(given.figures)
      })
      child.send(question)
    })
  return {
    publish: (load) => ask({ kind: "publish", ...load }) as Promise<PublishFigures>,
    fan: (load) => ask({ kind: "fan", ...load }) as Promise<FanFigures>,
    react: (load) => ask({ kind: "react", ...load }) as Promise<ReactFigures>,
    crowd: (step) => ask({ kind: "crowd", ...step }) as Promise<CrowdFigures>,
    cpuSeconds: () => cpuSecondsOf(child),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await ended
    },
  }
}

function answerQuestions(): void {
  const crowd = createCrowd()
  const perform = (question: Question): Promise<unknown> => {
    if (question.kind === "publish") return publishReadings(question)
    if (question.kind === "fan") return fanOut(question)
    if (question.kind === "react") return react(question)
    return crowd(question)
  }
  process.on("message", (question) => {
    perform(question as Question).then(
      (figures) => process.send?.({ figures }),
      (cause: unknown) => process.send?.({ failure: String(cause) }),
    )
  })
}

if (
  process.send !== undefined &&
  process.argv[2] === "generate" &&
  process.argv[1] === fileURLToPath(import.meta.url)
) {
  answerQuestions()
}
